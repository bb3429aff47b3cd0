"""What routes get, and what callers without a good token are told."""

from typing import Annotated, Any

import pytest
from chassis_core import ServiceSettings, compose, create_app
from chassis_core.concerns.auth import (
    AuthSettings,
    CurrentUser,
    Key,
    Principal,
    auth,
    get_current_user,
    require_scopes,
)
from chassis_core.concerns.auth.keys import prepared
from chassis_core.concerns.errors import errors
from chassis_core.testing import Telemetry, running
from chassis_core.testing.issuer import Issuer
from fastapi import APIRouter, Depends


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic dTpw", "Bearertoken"])
async def test_no_bearer_token_is_challenged_to_send_one(world: Any, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = await world.http.get("/me", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json()["detail"] == "This needs a bearer token."


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR"])
async def test_the_scheme_is_case_insensitive(world: Any, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {world.issuer.token()}"}
    assert (await world.http.get("/me", headers=headers)).status_code == 200


@pytest.mark.parametrize("good_at", [0, 1])
@pytest.mark.parametrize("other", ["Bearer bad", "Basic dTpw"])
async def test_two_authorization_headers_are_refused(world: Any, good_at: int, other: str) -> None:
    values = [other]
    values.insert(good_at, f"Bearer {world.issuer.token()}")
    answer = await world.http.get("/me", headers=[("Authorization", value) for value in values])
    assert answer.status_code == 401


async def test_a_token_in_the_query_or_a_cookie_is_not_looked_at(world: Any) -> None:
    token = world.issuer.token()
    by_query = await world.http.get("/me", params={"access_token": token})
    by_cookie = await world.http.get("/me", headers={"Cookie": f"access_token={token}"})
    assert [by_query.status_code, by_cookie.status_code] == [401, 401]


async def test_a_tab_does_not_part_scheme_and_token(world: Any) -> None:
    headers = {"Authorization": f"Bearer\t{world.issuer.token()}"}
    assert (await world.http.get("/me", headers=headers)).status_code == 401


async def test_a_missing_scope_is_forbidden_and_named(world: Any) -> None:
    answer = await world.get(world.issuer.token(scopes=("a:read",)), "/scoped")
    assert answer.status_code == 403
    assert answer.headers["WWW-Authenticate"] == (
        'Bearer error="insufficient_scope", scope="a:read b:read"'
    )
    granted = world.issuer.token(scopes=("b:read", "c", "a:read"))
    assert (await world.get(granted, "/scoped")).json() == "u1"


@pytest.mark.parametrize(
    "roles, all_of, any_of",
    [
        ((), 403, 403),
        (("other",), 403, 403),
        (("admin",), 403, 200),
        (("editor", "admin"), 200, 200),
    ],
)
async def test_roles_are_all_needed_or_any(
    world: Any, roles: tuple[str, ...], all_of: int, any_of: int
) -> None:
    token = world.issuer.token(roles=roles)
    assert (await world.get(token, "/all")).status_code == all_of
    assert (await world.get(token, "/any")).status_code == any_of


async def test_a_request_is_verified_once_however_many_dependencies_ask(world: Any) -> None:
    before = world.count("auth_verifications_total", outcome="valid")
    await world.get(world.issuer.token(scopes=("a:read", "b:read")), "/scoped")
    assert world.count("auth_verifications_total", outcome="valid") == before + 1


async def test_verdicts_are_counted_by_reason(world: Any) -> None:
    before = world.count("auth_verifications_total", outcome="audience")
    await world.get(world.issuer.token(aud="other"))
    assert world.count("auth_verifications_total", outcome="audience") == before + 1


async def test_without_a_mode_every_protected_route_refuses_and_the_log_says_why(
    open_world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    issuer = Issuer()
    async with open_world(issuer, AuthSettings()) as world:
        assert (await world.get(issuer.token())).status_code == 401
        assert (await world.http.get("/me")).status_code == 401
        assert (await world.http.get("/open")).status_code == 200
    assert [r.message for r in caplog.records if r.levelname == "WARNING"] == [
        "auth_refuses_everyone"
    ]


async def test_the_openapi_document_shows_the_bearer_scheme_and_the_scopes(world: Any) -> None:
    document = (await world.http.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"] == {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    operations = {path: item["get"].get("security") for path, item in document["paths"].items()}
    assert operations["/open"] is None
    assert operations["/me"] == [{"bearer": []}]
    assert operations["/scoped"] == [{"bearer": ["a:read", "b:read"]}]


async def test_a_test_can_put_any_user_in_place() -> None:
    router = APIRouter()

    @router.get("/me")
    async def me(user: Annotated[Principal, Depends(require_scopes("x"))]) -> str:
        return user.subject

    app = compose([errors(), auth(AuthSettings())], routers=[router])
    app.dependency_overrides[get_current_user] = lambda: Principal(
        "ada", "https://issuer.test/", ("test",), frozenset({"x"})
    )
    async with running(app) as http:
        assert (await http.get("/me")).json() == "ada"


async def test_a_service_verifies_by_keys_of_its_own(telemetry: Telemetry) -> None:
    issuer = Issuer()
    key = prepared(issuer.kid, "ES256", issuer.public_key().encode())

    class Keys:
        async def find(self, kid: str | None) -> tuple[Key, ...]:
            return (key,) if kid == issuer.kid else ()

    router = APIRouter()

    @router.get("/me")
    async def me(user: CurrentUser) -> str:
        return user.subject

    settings = AuthSettings(issuer=issuer.issuer, audience=issuer.audience)
    service = ServiceSettings(name="test", auth=settings)
    app = create_app(service, routers=[router], keys=Keys(), **telemetry.shared())
    async with running(app) as http:
        for kid, status in ((issuer.kid, 200), ("other", 401)):
            bearer = {"Authorization": f"Bearer {issuer.token(header={'kid': kid})}"}
            assert (await http.get("/me", headers=bearer)).status_code == status


async def test_in_a_service_the_log_names_the_user_and_never_the_token(
    telemetry: Telemetry,
) -> None:
    issuer = Issuer()
    router = APIRouter()

    @router.get("/me")
    async def me(user: Annotated[Principal, Depends(get_current_user)]) -> str:
        return user.subject

    settings = ServiceSettings(name="test", auth=issuer.settings())
    app = create_app(settings, routers=[router], **telemetry.shared())
    good, bad = issuer.token("ada"), issuer.token("eve", aud="other")
    async with running(app) as http:
        for token in (good, bad):
            await http.get("/me", headers={"Authorization": f"Bearer {token}"})
    ok, refused = telemetry.access_lines()
    assert ok["enduser.id"] == "ada"
    assert "enduser.id" not in refused
    assert [line["reason"] for line in telemetry.lines if line["event"] == "token_refused"] == [
        "audience"
    ]
    assert not any(part in str(telemetry.lines) for part in (good.split(".")[2], bad.split(".")[2]))


async def test_in_a_service_a_refusal_for_want_of_a_scope_is_logged_with_who_asked(
    telemetry: Telemetry,
) -> None:
    issuer = Issuer()
    router = APIRouter()

    @router.get("/reports", dependencies=[Depends(require_scopes("reports:read"))])
    async def read() -> None: ...

    settings = ServiceSettings(name="test", auth=issuer.settings())
    app = create_app(settings, routers=[router], **telemetry.shared())
    bearer = {"Authorization": f"Bearer {issuer.token('eve', scopes=('profile',))}"}
    async with running(app) as http:
        assert (await http.get("/reports", headers=bearer)).status_code == 403
    [line] = telemetry.access_lines()
    assert (line["enduser.id"], line["http.response.status_code"]) == ("eve", 403)
    assert (line["http.route"], line["client.address"]) == ("/reports", "127.0.0.1")
