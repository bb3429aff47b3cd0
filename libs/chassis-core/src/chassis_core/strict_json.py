"""JSON read strictly (RFC 8259, I-JSON RFC 7493): one text, one meaning, on every reader.

The work is done by the C scanner of the standard library; the checks that it lacks cost a search
of the bytes, and more only when the search finds something.
"""

import json
import re
from typing import Any, NoReturn

_LARGEST = 2**63 - 1

# Finite floats and 64-bit integers have fewer digits or a shorter exponent than this.
_LONG_NUMBER = re.compile(rb"[0-9]{19}|[0-9][eE]\+?[0-9]{3}")
# An odd run of backslashes; the possessive group keeps a hostile run linear.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*+\\u0000")
_SURROGATE = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}|\\u[dD][c-fC-F]")
# Matches an unfinished string too: otherwise each of its quotes would be tried as a start.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+\\?"?', re.DOTALL)


class MalformedJson(ValueError):
    """The bytes are not a JSON text: not UTF-8, or not the grammar. The text never quotes them."""


class ForbiddenJson(ValueError):
    """The bytes are JSON that readers understand differently, or that no service needs."""


def loads(data: bytes, *, max_depth: int = 64) -> Any:
    """Return the value of a JSON text.

    Args:
        data: the text in UTF-8, without a byte order mark.
        max_depth: how deeply arrays and objects may nest.

    Raises:
        MalformedJson: it is not JSON.
        ForbiddenJson: an object repeats a key, a string holds NUL or a lone surrogate, an integer
            needs more than 64 bits, a number is too large for a double, or it nests too deeply.
    """
    decoder = _WATCHFUL if _LONG_NUMBER.search(data) else _PLAIN
    text = _decode(data)
    try:
        value = decoder.decode(text)
    except json.JSONDecodeError as error:
        reason = error.msg.removesuffix(" at")
        raise MalformedJson(f"{reason} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        _refuse_bottomless(text, max_depth)
    if data.count(b"[") + data.count(b"{") > max_depth:
        _refuse_deep(value, max_depth)
    if b"\\u" in data:
        _refuse_escapes(data, value)
    return value


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise MalformedJson(f"not UTF-8 at byte {error.start}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ForbiddenJson("an object has the same key twice")
    return members


def _constant(_: str) -> NoReturn:
    raise MalformedJson("NaN and Infinity are not JSON")


def _integer(digits: str) -> int:
    # int() is quadratic in the digits, so that long ones must not reach it.
    if len(digits) > 20 or not -_LARGEST - 1 <= (number := int(digits)) <= _LARGEST:
        raise ForbiddenJson("an integer needs more than 64 bits")
    return number


def _double(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ForbiddenJson("a number is too large")
    return number


def _refuse_bottomless(text: str, max_depth: int) -> NoReturn:
    brackets = _STRING.sub("", text)
    for opening, closing in ("[]", "{}"):
        if brackets.count(opening) != brackets.count(closing):
            raise MalformedJson("an array or object is not closed")
    raise ForbiddenJson(f"nested more than {max_depth} deep")


def _refuse_deep(value: Any, max_depth: int) -> None:
    level = [value]
    for _ in range(max_depth):
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return
    raise ForbiddenJson(f"nested more than {max_depth} deep")


def _refuse_escapes(data: bytes, value: Any) -> None:
    if _NUL.search(data):
        raise ForbiddenJson("a string holds NUL")
    if _SURROGATE.search(data):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ForbiddenJson("a string holds half of a surrogate pair") from None


_PLAIN = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
_WATCHFUL = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_double
)
