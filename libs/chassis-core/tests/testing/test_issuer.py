"""The issuer of tokens for tests: what PyJWT itself makes of its tokens and its key set."""

from typing import Any

import httpx2
import jwt
import pytest
from chassis_core.testing.issuer import SECRET, Issuer


def read(token: str, key: Any, algorithm: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, key, algorithms=[algorithm], audience="test")
    return claims


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "RS256", "PS256", "EdDSA"])
async def test_its_tokens_verify_with_the_key_set_it_serves(algorithm: str) -> None:
    async with Issuer(algorithm).serve() as issuer, httpx2.AsyncClient() as http:
        (key,) = jwt.PyJWKSet.from_dict((await http.get(issuer.url)).json()).keys
        assert issuer.fetches == 1
    token = issuer.token("ada", scopes=("a", "b"), roles=("admin",))
    claims = read(token, key, algorithm)
    assert (claims["sub"], claims["scope"], claims["roles"]) == ("ada", "a b", ["admin"])
    assert jwt.get_unverified_header(token) == {
        "alg": algorithm,
        "typ": "at+jwt",
        "kid": key.key_id,
    }
    assert read(token, issuer.public_key(), algorithm) == claims


def test_a_shared_secret_signs_and_is_not_in_the_key_set() -> None:
    issuer = Issuer("HS256")
    assert read(issuer.token(), SECRET, "HS256")["sub"] == "u1"
    assert issuer.jwks() == {"keys": []}


def test_claims_and_header_members_can_be_replaced_and_taken_away() -> None:
    issuer = Issuer()
    token = issuer.token(header={"typ": "JWT", "kid": ...}, sub=..., exp=..., extra=1)
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "typ": "JWT"}
    claims = read(token, issuer.public_key(), "ES256")
    assert claims.keys() == {"iss", "aud", "iat", "extra"}


def test_rotation_signs_with_a_new_key_and_shows_the_old_until_it_is_withdrawn() -> None:
    issuer = Issuer()
    old = issuer.kid
    new = issuer.rotate()
    assert jwt.get_unverified_header(issuer.token())["kid"] == new
    assert [key["kid"] for key in issuer.jwks()["keys"]] == [old, new]
    issuer.withdraw(old)
    assert [key["kid"] for key in issuer.jwks()["keys"]] == [new]


async def test_its_settings_follow_its_kind_and_whether_it_serves() -> None:
    assert Issuer("HS256").settings().mode == "hmac"
    issuer = Issuer()
    assert issuer.settings().mode == "public_key"
    async with issuer.serve():
        assert issuer.settings().mode == "jwks"
        assert issuer.settings(leeway=5).leeway == 5


async def test_the_fixture_serves(issuer: Issuer) -> None:
    assert issuer.settings().jwks_url == issuer.url
