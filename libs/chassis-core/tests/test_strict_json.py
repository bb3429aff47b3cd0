"""The strict reader of JSON: what it takes, what is not JSON, what is JSON and still refused."""

import contextlib
import gc
import json
import time

import pytest
from chassis_core.strict_json import ForbiddenJson, MalformedJson, loads

MEBIBYTE = 1 << 20


@pytest.mark.parametrize(
    "text",
    [
        b"0",
        b"-0",
        b" [1, 2.5e-3, -1E+2] ",
        b'{"a": {"a": null}, "b": [true, false]}',
        b'"\\ud83d\\ude00 \\u00e9 \xc3\xa9 \\/"',
        b'"\\\\u0000 \\\\\\\\ud800"',
        b'"\x7f"',
        b"9223372036854775807",
        b"-9223372036854775808",
        b"1e308",
        b"1e-4000",
        b'"1e400 99999999999999999999"',
        b'{"": 1}',
    ],
)
def test_json_is_read_as_everyone_reads_it(text):
    assert loads(text) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"[",
        b"[1,]",
        b"{1: 2}",
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a" 1}',
        b"[1 2]",
        b"1 2",
        b"01",
        b"1.",
        b".5",
        b"+1",
        b"0x10",
        b"--1",
        b"1e",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"True",
        b"nul",
        b"'a'",
        b'"a',
        b'"\\x41"',
        b'"\\u12"',
        b'"\t"',
        b'"\x00"',
        b"\xef\xbb\xbf1",
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\xc0\x80"',
        '"a"'.encode("utf-16"),
        b"\xc2\xa01",
        b"// a\n1",
        b"[" * 100_000,
        b'[{"":' * 50_000,
        b"[" * 5_000 + b"}" * 5_000,
        b"[" * 5_000 + b'"]' * 5_000,
    ],
)
def test_what_is_not_json_is_malformed(text):
    with pytest.raises(MalformedJson):
        loads(text)


@pytest.mark.parametrize(
    "text, reason",
    [
        (b'{"a": 1, "a": 1}', "twice"),
        (b'[{"b": {"a": 1, "\\u0061": 2}}]', "twice"),
        (b'"\\u0000"', "NUL"),
        (b'"\\\\\\u0000"', "NUL"),
        (b'{"a\\u0000": 1}', "NUL"),
        (b'"\\ud800"', "surrogate"),
        (b'"\\ude00\\ud83d"', "surrogate"),
        (b'{"\\udead": 1}', "surrogate"),
        (b"9223372036854775808", "64 bits"),
        (b"-9223372036854775809", "64 bits"),
        (b"[" + b"9" * 5_000 + b"]", "64 bits"),
        (b"1e400", "too large"),
        (b"-1e309", "too large"),
        (b"1" * 400 + b".0", "too large"),
        (b"[" * 65 + b"]" * 65, "64 deep"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "64 deep"),
        (b"[" * 50_000 + b"]" * 50_000, "64 deep"),
    ],
)
def test_json_that_readers_understand_differently_is_forbidden(text, reason):
    with pytest.raises(ForbiddenJson, match=reason):
        loads(text)


def test_nesting_is_allowed_up_to_the_depth_asked_for():
    assert loads(b"[" * 64 + b"]" * 64)
    assert loads(b"[" + b"[]," * 200 + b"[]]", max_depth=2)
    assert loads(b'"' + b"[" * 100 + b'"', max_depth=1)
    with pytest.raises(ForbiddenJson, match="2 deep"):
        loads(b"[[[]]]", max_depth=2)


def test_an_error_says_where_and_never_quotes_the_input():
    with pytest.raises(MalformedJson) as malformed:
        loads(b'{\n"password": hunter2}')
    assert str(malformed.value) == "Expecting value at line 2 column 13"
    with pytest.raises(ForbiddenJson) as forbidden:
        loads(b'{"hunter2": 1, "hunter2": 2}')
    assert "hunter2" not in str(forbidden.value)


def _seconds(text: bytes) -> float:
    """Time one parse by the thread's own clock, without what collecting a whole test run costs."""
    gc.collect()
    gc.disable()
    try:
        start = time.thread_time()
        with contextlib.suppress(ValueError):
            loads(text)
        return time.thread_time() - start
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "unit",
    [b"[],", b'{"a":1},', b"1,", b"1e308,", b"9", b"[", b'"', b"\\", b'"\\', b"\\u0000", b"1" * 18],
)
@pytest.mark.parametrize("frame", [(b"[", b"0]"), (b"[" * 2000 + b'"', b'"')])
def test_the_time_grows_with_the_bytes_and_not_with_their_square(unit, frame):
    before, after = frame
    small = before + unit * (MEBIBYTE // 16 // len(unit)) + after
    large = before + unit * (MEBIBYTE // len(unit)) + after
    reference = min(_seconds(small) for _ in range(3))
    assert _seconds(large) < 100 * reference + 0.05
