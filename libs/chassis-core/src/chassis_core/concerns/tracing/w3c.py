"""Reads the trace context that callers send (W3C Trace Context)."""

import re
from collections.abc import Iterable

from opentelemetry.trace import SpanContext, TraceFlags, TraceState

Headers = Iterable[tuple[bytes, bytes]]

_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_KEY = re.compile(r"[a-z0-9][a-z0-9_\-*/@]{0,255}")
_VALUE = re.compile(r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")
_KNOWN_FLAGS = TraceFlags.SAMPLED | TraceFlags.RANDOM_TRACE_ID
_MAX_MEMBERS = 32


def extract(headers: Headers) -> SpanContext | None:
    """Return the caller's span, or None if it sent none that is valid in every part.

    A `traceparent` that is sent twice, or breaks the grammar, is as good as none. A `tracestate`
    that breaks it is dropped alone; of a key that it repeats, the first value counts.
    """
    parent: bytes | None = None
    states: list[bytes] = []
    for name, value in headers:
        if name == b"traceparent":
            if parent is not None:
                return None
            parent = value
        elif name == b"tracestate":
            states.append(value)
    return None if parent is None else _span_context(parent, states)


def _span_context(parent: bytes, states: list[bytes]) -> SpanContext | None:
    match = _PARENT.fullmatch(parent.strip(b" \t"))
    if match is None:
        return None
    version, trace_id, span_id, flags, future = match.groups()
    if version == b"ff" or (version == b"00" and future is not None):
        return None
    context = SpanContext(
        int(trace_id, 16),
        int(span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(int(flags, 16) & _KNOWN_FLAGS),
        trace_state=_trace_state(states) if states else None,
    )
    return context if context.is_valid else None


class _CallersState(TraceState):
    """The caller's vendor entries, whose grammar is wider than the SDK's own check."""

    def __init__(self, members: dict[str, str]) -> None:
        super().__init__()
        self._dict = members


def _trace_state(lines: list[bytes]) -> TraceState | None:
    members: dict[str, str] = {}
    try:
        text = b",".join(lines).decode("ascii")
    except UnicodeDecodeError:
        return None
    for member in text.split(","):
        if not (member := member.strip(" \t")):
            continue
        key, _, value = member.partition("=")
        if not (_KEY.fullmatch(key) and _VALUE.fullmatch(value)):
            return None
        members.setdefault(key, value)
    return _CallersState(members) if len(members) <= _MAX_MEMBERS else None
