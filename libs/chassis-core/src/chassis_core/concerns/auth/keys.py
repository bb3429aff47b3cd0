"""Keys that verify tokens: what one is, where they come from, and the two that never change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import Algorithm, get_default_algorithms
from jwt.exceptions import InvalidKeyError

FAMILIES: Mapping[str, str] = {
    "HS256": "HMAC",
    "HS384": "HMAC",
    "HS512": "HMAC",
    "RS256": "RSA",
    "RS384": "RSA",
    "RS512": "RSA",
    "PS256": "RSA-PSS",
    "PS384": "RSA-PSS",
    "PS512": "RSA-PSS",
    "ES256": "EC",
    "ES384": "EC",
    "ES512": "EC",
    "EdDSA": "EdDSA",
}
"""The algorithms that a configuration may allow, and the family of each."""

ALGORITHMS: Mapping[str, Algorithm] = {
    name: algorithm for name, algorithm in get_default_algorithms().items() if name in FAMILIES
}
"""PyJWT's implementation of each algorithm of `FAMILIES`."""


class KeysUnavailable(Exception):
    """Whether a token is valid cannot be known now, because its keys cannot be had: a 503."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key that verifies one algorithm.

    Attributes:
        kid: its name in a token's header, or None.
        algorithm: the only `alg` that it verifies.
        material: what PyJWT's algorithm object takes: bytes or a public key.
        others: further keys under the same kid.
    """

    kid: str | None
    algorithm: str
    material: Any = field(repr=False)
    others: tuple["Key", ...] = ()

    def verify(self, algorithm: str, message: bytes, signature: bytes) -> bool:
        """Tell whether this key, or another of its kid, made `signature` by `algorithm`."""
        return any(
            key.algorithm == algorithm
            and ALGORITHMS[algorithm].verify(message, key.material, signature)
            for key in (self, *self.others)
        )


class KeySource(Protocol):
    """Where the keys of tokens come from."""

    async def find(self, kid: str | None) -> Key | None:
        """Return the key of that name, None if there is none.

        It is asked for every request, so that a key taken away ends its tokens: it must be cheap,
        and give an equal key for as long as the key is valid.

        Raises:
            KeysUnavailable: it cannot be known.
        """


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


def bundle(keys: Sequence[Key]) -> Key:
    """Return the first of `keys` with the rest as its `others`."""
    first, *others = keys
    return Key(first.kid, first.algorithm, first.material, tuple(others))


def prepared(kid: str | None, algorithm: str, material: Any) -> Key:
    """Return a key, checked to fit its algorithm.

    Raises:
        ValueError: wrong type, wrong curve, or too short for the algorithm.
    """
    implementation = ALGORITHMS[algorithm]
    try:
        ready = implementation.prepare_key(material)
    except (InvalidKeyError, TypeError) as error:
        raise ValueError(f"the key does not fit {algorithm}: {error}") from None
    if implementation.check_key_length(ready):
        raise ValueError(f"the key is too short for {algorithm}")
    return Key(kid, algorithm, ready)


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
