"""Which members of a key set may verify a token."""

import json
from typing import Any

import pytest
from chassis_core.concerns.auth.key_set import parse_key_set
from chassis_core.testing.issuer import Issuer
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm


def jwk(algorithm: str = "ES256", **changes: Any) -> dict[str, Any]:
    (key,) = Issuer(algorithm).jwks()["keys"]
    return {name: value for name, value in {**key, **changes}.items() if value is not ...}


def parse(*keys: Any, allowed: tuple[str, ...] = ("ES256",)) -> dict[str | None, Any]:
    return parse_key_set(json.dumps({"keys": keys}).encode(), allowed)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"use": ...},
        {"key_ops": ...},
        {"alg": ...},
        {"key_ops": ["sign", "verify"]},
        {"x5c": ["MIIB"], "unknown": [1]},
    ],
)
def test_a_key_for_verifying_is_used(changes: dict[str, Any]) -> None:
    [key] = parse(jwk(**changes))["key-1"]
    assert key.algorithm == "ES256"


@pytest.mark.parametrize(
    "changes",
    [
        {"use": "enc"},
        {"use": None},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"alg": "ES384"},
        {"alg": "HS256"},
        {"alg": None},
        {"alg": ["ES256"]},
        {"kty": "oct"},
        {"kty": ...},
        {"crv": "P-384"},
        {"crv": "secp256k1"},
        {"x": "AA"},
        {"x": ...},
        {"y": 1},
        {"d": "AA"},
        {"k": "c2VjcmV0"},
        {"kid": 1},
        {"kid": ["key-1"]},
    ],
)
def test_any_other_key_is_left_out(changes: dict[str, Any]) -> None:
    good = jwk(kid="good")
    assert set(parse(jwk(**changes), good)) == {"good"}


def test_a_key_of_another_family_is_left_out() -> None:
    assert parse(jwk("RS256"), jwk("EdDSA"), jwk("ES384")) == {}


def test_an_rsa_key_without_alg_verifies_what_is_allowed_and_no_more() -> None:
    keys = parse(jwk("RS256", alg=...), allowed=("RS256", "RS512"))["key-1"]
    assert [key.algorithm for key in keys] == ["RS256", "RS512"]
    assert not any(key.verify("PS256", b"message", b"signature") for key in keys)


def test_an_rsa_key_that_is_too_short_is_left_out() -> None:
    short = generate_private_key(65_537, 1024).public_key()
    assert parse(RSAAlgorithm.to_jwk(short, as_dict=True), allowed=("RS256",)) == {}


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"keys":{}}', b'{"keys":[],"keys":[]}', b"<html>", b"\xff"]
)
def test_what_is_not_a_key_set_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_key_set(body, ("ES256",))


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)
_MEMBERS = ("kty", "crv", "x", "y", "n", "e", "kid", "alg", "use", "key_ops")
_WORDS = ("EC", "RSA", "OKP", "P-256", "Ed25519", "AQAB", "AA", "ES256", "key-1", "sig")
_ALMOST_A_KEY = st.dictionaries(st.sampled_from(_MEMBERS), st.sampled_from(_WORDS) | _JSON)


@given(st.lists(_ALMOST_A_KEY | _JSON, max_size=3))
def test_whatever_the_members_are_nothing_breaks(keys: list[Any]) -> None:
    good = jwk(kid="good")
    assert "good" in parse(*keys, good)
    parse(*keys, allowed=("RS256", "RS384"))
    parse(*keys, allowed=("EdDSA",))
