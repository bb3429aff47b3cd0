"""The lines of an answer's head, as bytes."""

import re
from functools import lru_cache
from http import HTTPStatus

from chassis_core.problem import title

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FORBIDDEN = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection"})
_LONGEST_KEPT = 1024


def status_line(code: int) -> bytes:
    """Return the first line of an answer (RFC 9112 §4)."""
    return _STATUS.get(code) or b"HTTP/1.1 %d \r\n" % code


def header_line(name: bytes, value: bytes) -> tuple[bytes, bytes | None]:
    """Return a header as its line, and its name if it decides where the answer ends.

    Raises:
        ValueError: it would not be one line, or its name is none.
    """
    if len(value) > _LONGEST_KEPT:
        return _header_line(name, value)
    return _kept_header_line(name, value)


def _header_line(name: bytes, value: bytes) -> tuple[bytes, bytes | None]:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a header")
    if _FORBIDDEN.search(value):
        raise ValueError(f"the value of {name!r} holds a control character")
    name = name.lower()
    return b"%b: %b\r\n" % (name, value), name if name in _FRAMING else None


# Most headers of an answer are those of the one before: checking them again is a third of the
# protocol's time.
_kept_header_line = lru_cache(maxsize=512)(_header_line)
_STATUS = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, title(status).encode())
    for status in HTTPStatus
}
