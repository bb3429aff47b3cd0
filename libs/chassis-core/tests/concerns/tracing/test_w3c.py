"""The grammar of W3C Trace Context, sections 3.2 and 3.3."""

import pytest
from chassis_core.concerns.tracing.w3c import extract

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


def _extract(*headers: tuple[str, str]):
    return extract([(name.encode(), value.encode("latin-1")) for name, value in headers])


def _states(*values: str):
    context = _extract(("traceparent", PARENT), *(("tracestate", value) for value in values))
    return dict(context.trace_state)


def test_a_valid_parent_is_taken_as_it_is():
    context = _extract(("traceparent", PARENT))
    assert f"{context.trace_id:032x}" == TRACE
    assert f"{context.span_id:016x}" == SPAN
    assert context.trace_flags.sampled
    assert context.is_remote


def test_the_unsampled_flag_is_honoured():
    assert not _extract(("traceparent", PARENT[:-2] + "00")).trace_flags.sampled


@pytest.mark.parametrize("version", ["01", "cc", "fe"])
def test_a_future_version_may_say_more_after_the_flags(version):
    assert _extract(("traceparent", f"{version}-{TRACE}-{SPAN}-01")) is not None
    assert _extract(("traceparent", f"{version}-{TRACE}-{SPAN}-01-what-comes")) is not None
    assert _extract(("traceparent", f"{version}-{TRACE}-{SPAN}-01.what")) is None


@pytest.mark.parametrize(
    "parent",
    [
        "",
        PARENT + "-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"000-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}0-{SPAN}-01",
        f"00-{TRACE}-{SPAN[:-1]}-01",
        f"00-{TRACE}-{SPAN}0-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-001",
        f"00-{TRACE}-{SPAN}-.1",
        f"00-{TRACE}-{SPAN}",
        f"00_{TRACE}_{SPAN}_01",
        PARENT + "\xe9",
    ],
)
def test_a_parent_that_breaks_the_grammar_is_as_good_as_none(parent):
    assert _extract(("traceparent", parent)) is None


def test_a_parent_sent_twice_is_as_good_as_none():
    assert _extract(("traceparent", PARENT), ("traceparent", PARENT)) is None


def test_a_state_without_a_parent_is_ignored():
    assert _extract(("tracestate", "a=1")) is None


def test_the_lines_of_a_state_are_joined_in_order_and_empty_members_skipped():
    assert list(_states("a=1, b=2\t", ",c=3,").items()) == [("a", "1"), ("b", "2"), ("c", "3")]


@pytest.mark.parametrize("key", ["a", "0", "a_-*/z", "t@v", "t@", "t@@v", "a" * 256])
def test_a_key_of_the_grammar_is_kept(key):
    assert _states(f"{key}=1") == {key: "1"}


@pytest.mark.parametrize(
    "state",
    [
        "a",
        "=1",
        "a=",
        "A=1",
        "a b=1",
        "@v=1",
        "a" * 257 + "=1",
        "a=1=2",
        "a=" + "x" * 257,
        "a=\xe9",
        ",".join(f"k{n}=1" for n in range(33)),
    ],
)
def test_a_state_that_breaks_the_grammar_is_dropped_whole_and_the_parent_kept(state):
    assert _states(state) == {}


def test_the_first_value_of_a_repeated_key_counts():
    assert _states("a=1,b=2", "a=3") == {"a": "1", "b": "2"}


def test_32_members_and_256_characters_are_still_fine():
    assert len(_states(",".join(f"k{n}=1" for n in range(32)))) == 32
    assert _states("a=" + "x" * 256) == {"a": "x" * 256}


def test_of_the_flags_only_the_known_ones_are_taken_over():
    assert _extract(("traceparent", PARENT[:-2] + "ff")).trace_flags == 0b11
