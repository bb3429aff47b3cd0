"""Keeps secrets out of log lines: by the name of the field, and by the look of the value."""

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"
_MAX_DEPTH = 8
_SECRET_NAMES = re.compile(
    r"authorization|cookie|passw(or)?d|passphrase|secret|token|credential|api[-_]?key"
    r"|private[-_]?key|signature",
    re.IGNORECASE,
)
# A bearer or basic credential, a JWT, the password of a URL, a secret in a query string. None of
# them looks at a character more than twice: who is logged may choose the text.
_SECRET_VALUES = re.compile(
    r"(?P<scheme>\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}"
    r"|(?P<user>://(?:[^/\s:@]*:)?)(?:(?!://)[^\s@])++(?=@)"
    r"|(?P<name>(?:token|secret|password|passwd|api_?key|code|signature|sig)=)[^&\s\"']+",
    re.IGNORECASE,
)
_HINTS = re.compile(r"bearer|basic|eyJ|://|=", re.IGNORECASE)


def redact(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return `fields` with every secret replaced, at any depth."""
    return {key: _field(key, value, 0) for key, value in fields.items()}


def redact_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return `settings` without secrets: a section or a number is none, whatever its name."""
    return {name: _setting(name, value) for name, value in settings.items()}


def scrub(text: str) -> str:
    """Return `text` with whatever looks like a credential replaced."""
    if _HINTS.search(text) is None:
        return text
    return _SECRET_VALUES.sub(_replace, text)


def one_line(error: BaseException) -> str:
    """Return the kind and the text of an error for operators, without what looks like a secret."""
    text = " ".join(str(error).split())
    return scrub(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def _replace(match: re.Match[str]) -> str:
    kept = match["scheme"] or match["user"] or match["name"] or ""
    return kept + REDACTED


def _setting(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return redact_settings(value)
    return _field(name, value, 0) if isinstance(value, str) else _value(value, 0)


def _field(key: object, value: Any, depth: int) -> Any:
    harmless = value is None or isinstance(value, bool)
    if isinstance(key, str) and not harmless and _SECRET_NAMES.search(key):
        return REDACTED
    return _value(value, depth)


def _value(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if depth >= _MAX_DEPTH and isinstance(value, Mapping | list | tuple | set):
        return "[too deep]"
    if isinstance(value, Mapping):
        return {str(key): _field(key, item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_value(item, depth + 1) for item in value]
    if isinstance(value, bytes):
        return scrub(value.decode("utf-8", "backslashreplace"))
    return value
