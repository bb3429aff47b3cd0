"""The envelope of a token: a compact JWS, read so that it can be read in one way only."""

from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

from chassis_core.strict_json import loads

_DEPTH = 16
# Members that would move the key, the type or the meaning of the signature into the token.
_REFUSED = frozenset({"crit", "b64", "zip", "enc", "cty", "jwk", "jku", "x5u", "x5c"})


class InvalidToken(Exception):
    """The token is refused.

    Attributes:
        reason: which rule it broke, one of a few words: for logs and metrics, never for answers.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken apart, with nothing in it verified."""

    algorithm: str
    type: str
    kid: str | None
    payload: bytes = field(repr=False)
    message: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def claims(self) -> dict[str, Any]:
        """Return the payload as a JSON object.

        Raises:
            InvalidToken: it is something else.
        """
        return _object(self.payload, "payload")


def parse(compact: bytes) -> Token:
    """Take a compact JWS apart (RFC 7515 §7.1).

    Raises:
        InvalidToken: anything but three segments of canonical base64url, the first a JSON object
            with a plain `alg` and `typ`, and none of the members that change how it is read.
    """
    segments = compact.split(b".")
    if len(segments) != 3:
        raise InvalidToken("format")
    header = _object(_decode(segments[0]), "header")
    algorithm, kind, kid = header.get("alg"), header.get("typ"), header.get("kid")
    if not isinstance(algorithm, str) or not isinstance(kind, str) or _REFUSED & header.keys():
        raise InvalidToken("header")
    if not isinstance(kid, str) and "kid" in header:
        raise InvalidToken("kid")
    return Token(
        algorithm=algorithm,
        type=kind.lower().removeprefix("application/"),
        kid=kid,
        payload=_decode(segments[1]),
        message=compact[: compact.rindex(b".")],
        signature=_decode(segments[2]),
    )


def _decode(segment: bytes) -> bytes:
    try:
        data = b64decode(segment + b"=" * (-len(segment) % 4), altchars=b"-_")
    except ValueError:
        raise InvalidToken("format") from None
    # Other alphabets, padding and unused trailing bits all encode back to something else.
    if urlsafe_b64encode(data).rstrip(b"=") != segment:
        raise InvalidToken("format")
    return data


def _object(data: bytes, part: str) -> dict[str, Any]:
    try:
        value = loads(data, max_depth=_DEPTH)
    except ValueError:
        raise InvalidToken(part) from None
    if not isinstance(value, dict):
        raise InvalidToken(part)
    return value
