"""The rules that the claims of a token with a good signature must keep."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from chassis_core.concerns.auth.principal import Principal
from chassis_core.concerns.auth.settings import AuthSettings
from chassis_core.concerns.auth.token import InvalidToken

_LONGEST_SUBJECT = 255


def principal_of(claims: dict[str, Any], settings: AuthSettings, *, now: float) -> Principal:
    """Return the principal that `claims` describe (RFC 7519 §4.1, RFC 9068 §2.2).

    Raises:
        InvalidToken: a required claim is missing or of the wrong type, or names another time,
            issuer or audience.
    """
    _check_times(claims, settings, now)
    if not settings.issuer or claims.get("iss") != settings.issuer:
        raise InvalidToken("issuer")
    return Principal(
        subject=_subject(claims),
        issuer=settings.issuer,
        audience=_audience(claims, settings.audience),
        scopes=_words(claims, settings.scope_claim),
        roles=_words(claims, settings.roles_claim),
        claims=MappingProxyType(claims),
    )


def expiry(claims: Mapping[str, Any]) -> float:
    """Return `exp`, the only time claim without which no token is valid."""
    return _time(claims, "exp")


def _check_times(claims: Mapping[str, Any], settings: AuthSettings, now: float) -> None:
    expires = expiry(claims)
    issued = _time(claims, "iat") if "iat" in claims else now
    if now >= expires + settings.leeway:
        raise InvalidToken("expired")
    if issued > now + settings.leeway:
        raise InvalidToken("issued_later")
    if expires - issued > settings.max_lifetime:
        raise InvalidToken("lifetime")
    if "nbf" in claims and _time(claims, "nbf") > now + settings.leeway:
        raise InvalidToken("not_yet_valid")


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidToken("claims")
    return value


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub")
    if isinstance(subject, str) and 0 < len(subject) <= _LONGEST_SUBJECT and subject.isprintable():
        return subject
    raise InvalidToken("subject")


def _audience(claims: Mapping[str, Any], expected: str) -> tuple[str, ...]:
    audience = claims.get("aud")
    members = audience if isinstance(audience, list) else [audience]
    if not expected or expected not in members or not _all_strings(members):
        raise InvalidToken("audience")
    return tuple(members)


def _words(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    value = claims.get(name, [])
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list) or not _all_strings(words):
        raise InvalidToken("claims")
    return frozenset(words)


def _all_strings(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)
