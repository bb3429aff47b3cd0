"""Keys that verify tokens: what one is, and where they come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

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
    """

    kid: str | None
    algorithm: str
    material: Any = field(repr=False)

    def verify(self, algorithm: str, message: bytes, signature: bytes) -> bool:
        """Tell whether this key made `signature` by `algorithm`."""
        return self.algorithm == algorithm and ALGORITHMS[algorithm].verify(
            message, self.material, signature
        )


class KeySource(Protocol):
    """Where the keys of tokens come from."""

    async def find(self, kid: str | None) -> Sequence[Key]:
        """Return the keys of that name; often there is one, or none.

        It is asked for every request, so that a key taken away ends its tokens: it must be cheap,
        and give equal keys for as long as they are valid.

        Raises:
            KeysUnavailable: it cannot be known.
        """


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
