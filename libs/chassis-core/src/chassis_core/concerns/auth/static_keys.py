"""Keys that a configuration names: a shared secret, a public key, or none."""

from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.exceptions import InvalidKeyError

from chassis_core.concerns.auth.keys import ALGORITHMS, Key, prepared


class StaticKeys:
    """The keys of a configuration, whatever name a token gives them."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._keys = keys

    async def find(self, kid: str | None) -> Sequence[Key]:  # noqa: ARG002 - part of the protocol
        """Return the keys."""
        return self._keys


class NoKeys:
    """No key at all: every token is refused."""

    async def find(self, kid: str | None) -> Sequence[Key]:  # noqa: ARG002 - part of the protocol
        """Return none."""
        return ()


def hmac_keys(secret: str, algorithms: Sequence[str]) -> Sequence[Key]:
    """Return a shared secret as the key of each algorithm.

    Raises:
        ValueError: it is shorter than the hash of the algorithm (RFC 7518 §3.2), or it is a public
            key, which is no secret.
    """
    return tuple(prepared(None, name, secret.encode()) for name in algorithms)


def public_keys(pem: str, algorithms: Sequence[str]) -> Sequence[Key]:
    """Return a public key in PEM as the key of each algorithm.

    Args:
        pem: the key, as SubjectPublicKeyInfo; line ends may be written as backslash and n.
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
    algorithms = algorithms or [default_algorithm(material)]
    return tuple(prepared(None, name, material) for name in algorithms)


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
