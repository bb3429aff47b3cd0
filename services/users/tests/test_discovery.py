import json
from base64 import urlsafe_b64encode
from hashlib import sha256

import pytest

PUBLIC = {"kty", "crv", "x", "y", "kid", "alg", "use"}


async def test_the_key_set_has_public_members_only(api):
    keys = await api.keys()
    assert len(keys) == 2
    assert all(key.keys() == PUBLIC for key in keys.values())


async def test_a_key_is_named_by_its_thumbprint(api):
    for kid, key in (await api.keys()).items():
        members = {name: key[name] for name in ("crv", "kty", "x", "y")}
        canonical = json.dumps(members, separators=(",", ":")).encode()
        assert kid == urlsafe_b64encode(sha256(canonical).digest()).decode().rstrip("=")


async def test_the_key_set_may_be_cached_and_asked_for_again_by_its_tag(api):
    first = await api.http.get("/.well-known/jwks.json")
    assert first.headers["cache-control"] == "public, max-age=300"
    again = await api.http.get(
        "/.well-known/jwks.json", headers={"if-none-match": first.headers["etag"]}
    )
    other = await api.http.get("/.well-known/jwks.json", headers={"if-none-match": '"other"'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert other.status_code == 200


async def test_the_metadata_names_this_issuer_and_its_endpoints(api):
    metadata = (await api.http.get("/.well-known/openid-configuration")).json()
    assert metadata["issuer"] == "http://127.0.0.1:8001"
    for name in ("token_endpoint", "revocation_endpoint", "jwks_uri"):
        assert metadata[name].startswith(metadata["issuer"] + "/")
        path = metadata[name].removeprefix(metadata["issuer"])
        assert (await api.http.request("OPTIONS", path)).status_code in {200, 405}
    assert set(metadata["scopes_supported"]) >= {"profile", "users:read"}


async def test_the_documentation_shows_who_may_call_what(api):
    document = (await api.http.get("/openapi.json")).json()
    schemes = document["components"]["securitySchemes"]
    paths = document["paths"]
    assert schemes["bearer"] == {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    assert schemes["client"] == {"type": "http", "scheme": "basic"}
    assert paths["/v1/users/me"]["get"]["security"] == [{"bearer": []}]
    assert "bearer" in paths["/v1/users/{id}"]["get"]["security"][0]
    assert paths["/oauth2/token"]["post"]["security"] == [{"client": []}, {}]
    assert paths["/v1/users"]["post"]["security"] == []


@pytest.mark.parametrize("path", ["/v1/users", "/oauth2/token", "/v1/users/me"])
async def test_the_documentation_shows_how_each_route_refuses(api, path):
    document = (await api.http.get("/openapi.json")).json()
    for operation in document["paths"][path].values():
        refusals = [code for code in operation["responses"] if code.startswith(("4", "5"))]
        assert refusals
        for code in refusals:
            assert "application/problem+json" in operation["responses"][code]["content"]
