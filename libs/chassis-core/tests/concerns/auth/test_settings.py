"""Settings that would believe the wrong token stop the start, with words that name the fix."""

from typing import Any

import pytest
from chassis_core import InvalidSettings, ServiceSettings
from chassis_core.concerns.auth import AuthSettings, auth
from chassis_core.testing.issuer import SECRET, Issuer
from cryptography.hazmat.primitives.asymmetric.ec import SECP256K1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as ec_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as rsa_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

WHO = {"issuer": "https://issuer.test/", "audience": "test"}
PEM = Issuer().public_key()
URL = "https://issuer.test/jwks.json"


def public_pem(key: Any) -> str:
    pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


def private_pem() -> str:
    key = ec_key(SECP256K1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a short secret": ({"mode": "hmac", "secret": "x" * 31}, "too short for HS256"),
    "an empty secret": ({"mode": "hmac", "secret": ""}, "mode hmac needs secret"),
    "a short secret for the hash": (
        {"mode": "hmac", "secret": "x" * 63, "algorithms": ("HS512",)},
        "too short for HS512",
    ),
    "a public key as secret": ({"mode": "hmac", "secret": PEM}, "does not fit HS256"),
    "a private key as public": ({"mode": "public_key", "public_key": private_pem()}, "private key"),
    "no key at all": ({"mode": "public_key", "public_key": "key"}, "not a public key in PEM"),
    "a curve for no one": (
        {"mode": "public_key", "public_key": public_pem(ec_key(SECP256K1()))},
        "none of RSA",
    ),
    "a short RSA key": (
        {"mode": "public_key", "public_key": public_pem(rsa_key(65_537, 1024))},
        "too short for RS256",
    ),
    "a key of another algorithm": (
        {"mode": "public_key", "public_key": PEM, "algorithms": ("RS256",)},
        "does not fit RS256",
    ),
    "two keys": ({"mode": "hmac", "secret": SECRET, "jwks_url": URL}, "does not go with jwks_url"),
    "a key and no mode": ({"secret": SECRET}, "mode none does not go with secret"),
    "a mode and no key": ({"mode": "jwks"}, "mode jwks needs jwks_url"),
    "no issuer": ({"mode": "jwks", "jwks_url": URL, "issuer": ""}, "needs issuer and audience"),
    "no audience": ({"mode": "jwks", "jwks_url": URL, "audience": ""}, "needs issuer and audience"),
    "two families": (
        {"mode": "jwks", "jwks_url": URL, "algorithms": ("RS256", "ES256")},
        "2 families",
    ),
    "HMAC by key set": (
        {"mode": "jwks", "jwks_url": URL, "algorithms": ("HS256",)},
        "HS256 do not go with jwks",
    ),
    "RSA by secret": (
        {"mode": "hmac", "secret": SECRET, "algorithms": ("RS256",)},
        "RS256 do not go with hmac",
    ),
    "alg none": ({"mode": "jwks", "jwks_url": URL, "algorithms": ("none",)}, "unknown algorithms"),
    "http to afar": ({"mode": "jwks", "jwks_url": "http://issuer.test/"}, "jwks_allow_http"),
    "http to a name like loopback": (
        {"mode": "jwks", "jwks_url": "http://localhost.issuer.test/"},
        "jwks_allow_http",
    ),
    "no url": ({"mode": "jwks", "jwks_url": "issuer.test"}, "absolute https URL"),
    "a file": ({"mode": "jwks", "jwks_url": "file:///etc/keys"}, "absolute https URL"),
    "a password in the url": ({"mode": "jwks", "jwks_url": "https://u:p@issuer.test/"}, "no user"),
    "no type at all": ({"mode": "jwks", "jwks_url": URL, "token_types": ()}, "at least 1 item"),
}


@pytest.mark.parametrize("fields, words", REFUSED.values(), ids=REFUSED)
def test_settings_that_are_unsafe_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as refusal:
        AuthSettings(**WHO | fields)
    assert "input_value" not in str(refusal.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"mode": "jwks", "jwks_url": "http://127.0.0.1:8001/jwks.json"},
        {"mode": "jwks", "jwks_url": "http://localhost/jwks.json"},
        {"mode": "jwks", "jwks_url": "http://[::1]:80/"},
        {"mode": "jwks", "jwks_url": "http://users/jwks.json", "jwks_allow_http": True},
        {"mode": "jwks", "jwks_url": URL, "algorithms": ("RS256", "RS512")},
        {"mode": "public_key", "public_key": PEM.replace("\n", "\\n")},
        {"mode": "hmac", "secret": "x" * 32},
        {"mode": "hmac", "secret": "x" * 32, "jwks_url": "", "public_key": ""},
    ],
)
def test_settings_that_are_safe_are_taken(fields: dict[str, Any]) -> None:
    assert auth(AuthSettings(**WHO | fields)).name == "auth"


@pytest.mark.parametrize(
    "fields, accepted",
    [
        ({"mode": "hmac", "secret": SECRET}, ("HS256",)),
        ({"mode": "jwks", "jwks_url": URL}, ("ES256",)),
        ({"mode": "public_key", "public_key": PEM}, ("ES256",)),
        ({"mode": "public_key", "public_key": Issuer("RS256").public_key()}, ("RS256",)),
        ({"mode": "public_key", "public_key": Issuer("EdDSA").public_key()}, ("EdDSA",)),
        ({"mode": "public_key", "public_key": Issuer("ES384").public_key()}, ("ES384",)),
    ],
)
def test_the_algorithm_follows_from_the_mode_and_the_key(
    fields: dict[str, Any], accepted: tuple[str, ...]
) -> None:
    assert AuthSettings(**WHO | fields).accepted == accepted


def test_a_service_says_in_one_line_what_is_wrong_and_never_the_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Settings(ServiceSettings):
        model_config = SettingsConfigDict(env_prefix="SHOP_")
        name: str = "shop"

    monkeypatch.setenv("SHOP_AUTH__MODE", "hmac")
    monkeypatch.setenv("SHOP_AUTH__SECRET", "hunter2")
    monkeypatch.setenv("SHOP_AUTH__ISSUER", "https://issuer.test/")
    monkeypatch.setenv("SHOP_AUTH__AUDIENCE", "test")
    with pytest.raises(InvalidSettings) as refusal:
        Settings()
    assert "SHOP_AUTH" in str(refusal.value)
    assert "too short for HS256" in str(refusal.value)
    assert "hunter2" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_secret_is_in_no_repr() -> None:
    assert SECRET not in repr(AuthSettings(mode="hmac", secret=SECRET, **WHO))


def test_keys_of_ones_own_need_issuer_and_audience() -> None:
    class Keys:
        async def find(self, kid: str | None) -> None: ...

    with pytest.raises(ValueError, match="needs issuer and audience"):
        auth(AuthSettings(), keys=Keys())
    assert auth(AuthSettings(**WHO), keys=Keys()).name == "auth"
