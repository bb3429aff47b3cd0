"""A JSON Web Key Set, read into the keys in it that may verify our tokens (RFC 7517)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jwt.exceptions import PyJWTError

from chassis_core.concerns.auth.keys import ALGORITHMS, Key, prepared
from chassis_core.strict_json import loads

# The members of a private or a symmetric key: who publishes one has lost it.
_SECRET_MEMBERS = frozenset({"d", "k", "p", "q"})


def parse_key_set(body: bytes, algorithms: Sequence[str]) -> dict[str | None, Sequence[Key]]:
    """Return the usable keys of a set by their kid; what is not usable is left out.

    Raises:
        ValueError: the body is not a key set.
    """
    document = loads(body)
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list):
        raise ValueError("the document has no list of keys")  # noqa: TRY004 - bad data, not code
    found: dict[str | None, list[Key]] = {}
    for member in members:
        for key in _keys(member, algorithms):
            found.setdefault(key.kid, []).append(key)
    return {kid: tuple(keys) for kid, keys in found.items()}


def _keys(jwk: Any, algorithms: Sequence[str]) -> Iterator[Key]:
    if not isinstance(jwk, dict) or not _may_verify(jwk):
        return
    for name in algorithms:
        if jwk.get("alg", name) == name:
            try:
                yield prepared(jwk.get("kid"), name, ALGORITHMS[name].from_jwk(jwk))
            except (PyJWTError, ValueError, TypeError):
                continue


def _may_verify(jwk: Mapping[str, Any]) -> bool:
    operations = jwk.get("key_ops", ["verify"])
    return (
        jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and isinstance(jwk.get("kid"), str | None)
        and not _SECRET_MEMBERS & jwk.keys()
    )
