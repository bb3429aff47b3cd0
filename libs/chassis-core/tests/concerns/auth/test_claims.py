"""Claims that must not be believed, though the signature is good, over HTTP in every mode."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from chassis_core.testing.issuer import Issuer

Forge = Callable[[Issuer], str]


def claims(**changes: Any) -> Forge:
    return lambda issuer: issuer.token(**changes)


def from_now(**offsets: float) -> Forge:
    return lambda issuer: issuer.token(
        **{name: int(time.time()) + offset for name, offset in offsets.items()}
    )


def raw(name: str, literal: str) -> Forge:
    """Put `literal` where the value of the claim stands, though no encoder would write it."""

    def forge(issuer: Issuer) -> str:
        text = json.dumps(issuer.claims() | {name: "PLACE"}).replace('"PLACE"', literal)
        return issuer.sign(issuer.header(), text.encode())

    return forge


def twice(text: str) -> Forge:
    def forge(issuer: Issuer) -> str:
        payload = json.dumps(issuer.claims()).encode()
        return issuer.sign(issuer.header(), payload[:-1] + b"," + text.encode() + b"}")

    return forge


REFUSED: dict[str, Forge] = {
    "15 no exp": claims(exp=...),
    "15 exp past": from_now(exp=-3600),
    "15 exp digits": lambda issuer: issuer.token(exp=str(int(time.time()) + 300)),
    "15 exp true": claims(exp=True),
    **{
        f"16 exp {literal}": raw("exp", literal)
        for literal in ("NaN", "Infinity", "-Infinity", "1e400", "-1", "0", "[]", "{}", "null")
    },
    "16 exp date": claims(exp="2999-01-01T00:00:00Z"),
    "17 exp 1e308": raw("exp", "1e308"),
    "17 exp of 400 digits": raw("exp", "9" * 400),
    "17 exp of 18 digits": raw("exp", "9" * 18),
    "17 a lifetime over a day": from_now(exp=86_400 + 10),
    "17 a lifetime over a day, without iat": lambda issuer: issuer.token(
        iat=..., exp=int(time.time()) + 86_400 + 100
    ),
    "17 iat long ago": claims(iat=0),
    "19 nbf future": from_now(nbf=120),
    "19 nbf NaN": raw("nbf", "NaN"),
    "19 nbf string": claims(nbf="0"),
    "19 nbf true": claims(nbf=True),
    "19 nbf null": claims(nbf=None),
    "19 iat future": from_now(iat=120),
    "19 iat string": claims(iat="0"),
    "19 iat true": claims(iat=True),
    "20 aud missing": claims(aud=...),
    **{
        f"20 aud {value!r}": claims(aud=value)
        for value in ("other", "", [], [["test"]], {}, {"test": 1}, "tes", "test2", "TEST", None)
    },
    "20 aud list with ours and a number": claims(aud=["test", 1]),
    "20 aud list without ours": claims(aud=["x", "y"]),
    "21 iss missing": claims(iss=...),
    **{
        f"21 iss {value!r}": claims(iss=value)
        for value in (
            "https://evil.test/",
            "https://issuer.test",
            ["https://issuer.test/"],
            "issuer",
            "https://issuer.test/x",
            "",
            None,
            1,
        )
    },
    "22 expired beyond the leeway": from_now(exp=-61),
    "38 sub twice": twice('"sub":"root"'),
    "38 exp twice": twice('"exp":9999999999'),
    "39 sub missing": claims(sub=...),
    **{f"39 sub {value!r}": claims(sub=value) for value in (1, "", None, ["u1"], "u\0", "u\n1")},
    "39 sub endless": claims(sub="u" * 256),
    **{f"scope {value!r}": claims(scope=value) for value in (1, {"a": 1}, ["a", 1], None)},
    **{f"roles {text}": raw("roles", text) for text in ("1", '{"a":1}', '["a",1]', "null")},
}

ACCEPTED: dict[str, Forge] = {
    "18 exp a float": lambda issuer: issuer.token(exp=time.time() + 300.5),
    "20 aud a list with ours": claims(aud=["x", "test"]),
    "22 expired within the leeway": from_now(exp=-50),
    "nbf within the leeway": from_now(nbf=50),
    "no iat": claims(iat=...),
    "iat a float within the leeway": lambda issuer: issuer.token(iat=time.time() + 50.5),
    "a day": from_now(iat=0, exp=86_400),
    "unknown claims": claims(nonce="n", groups=[{"a": [1.5]}]),
}


@pytest.mark.parametrize("forge", REFUSED.values(), ids=REFUSED)
async def test_a_signed_token_with_wrong_claims_is_refused(world: Any, forge: Forge) -> None:
    before = world.issuer.fetches
    answer = await world.get(forge(world.issuer))
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert answer.json()["detail"] == "The bearer token is not valid."
    assert world.issuer.fetches == before


@pytest.mark.parametrize("forge", ACCEPTED.values(), ids=ACCEPTED)
async def test_a_signed_token_within_the_rules_is_accepted(world: Any, forge: Forge) -> None:
    assert (await world.get(forge(world.issuer))).status_code == 200


async def test_the_principal_is_what_the_claims_say(world: Any) -> None:
    token = world.issuer.token("ada", scopes=("a:read", "b:read"), roles=("admin",))
    assert (await world.get(token)).json() == {
        "subject": "ada",
        "issuer": "https://issuer.test/",
        "audience": ["test"],
        "scopes": ["a:read", "b:read"],
        "roles": ["admin"],
    }


async def test_scopes_and_roles_may_be_lists_or_words_under_names_of_the_issuers(
    open_world: Any,
) -> None:
    issuer = Issuer()
    settings = issuer.settings(scope_claim="scp", roles_claim="groups")
    async with open_world(issuer, settings) as world:
        answer = await world.get(issuer.token(scp=["a", "b"], groups="x y", scope="ignored"))
        assert answer.json()["scopes"] == ["a", "b"]
        assert answer.json()["roles"] == ["x", "y"]
