"""Keys that a configuration names: a shared secret, a public key, or none."""

from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.exceptions import InvalidKeyError

from chassis_core.concerns.auth.keys import ALGORITHMS, Key, bundle, prepared


class StaticKey:
    """The one key of a configuration, whatever name a token gives it."""

    def __init__(self, key: Key) -> None:
        self._key = key

    async def find(self, kid: str | None) -> Key:  # noqa: ARG002 - part of the protocol
        """Return the key."""
        return self._key


class NoKeys:
    """No key at all: every token is refused."""

    async def find(self, kid: str | None) -> None:
        """Return nothing."""


def hmac_key(secret: str, algorithms: Sequence[str]) -> Key:
    """Return the key of a shared secret.

    Raises:
        ValueError: it is shorter than the hash of the algorithm (RFC 7518 §3.2), or it is a public
            key, which is no secret.
    """
    return bundle([prepared(None, name, secret.encode()) for name in algorithms])


def public_key(pem: str, algorithms: Sequence[str]) -> Key:
    """Return the key of a public key in PEM; line ends may be written as backslash and n.

    Args:
        pem: the key, as SubjectPublicKeyInfo.
        algorithms: what it may verify; when empty, what its type is made for.

    Raises:
        ValueError: it is a private key, or no key, or does not fit the algorithms.
    """
    text = pem.replace("\\n", "\n")
    if "PRIVATE KEY" in text:
        raise ValueError("a private key stands where the public key belongs: replace it at once")
    try:
        material = load_pem_public_key(text.encode())
    except ValueError:
        raise ValueError("not a public key in PEM") from None
    return bundle(
        [prepared(None, name, material) for name in algorithms or [default_algorithm(material)]]
    )


def default_algorithm(material: Any) -> str:
    """Return the algorithm that a public key is commonly used with.

    Raises:
        ValueError: its type is not one that verifies tokens.
    """
    for name in ("ES256", "ES384", "ES512", "RS256", "EdDSA"):
        try:
            ALGORITHMS[name].prepare_key(material)
        except (InvalidKeyError, TypeError):
            continue
        return name
    raise ValueError("the key is none of RSA, EC (P-256, P-384, P-521) and EdDSA")
