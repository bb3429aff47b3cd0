"""`./dev trace ID`: a trace as a tree with a time line, from the platform's collector."""

import json
from collections.abc import Iterator, Sequence
from urllib.request import urlopen

from dev.collector import Span
from dev.console import CYAN, DIM, GREEN, RED, YELLOW, Trouble, paint, say
from dev.state import State
from dev.waiting import until

WIDTH = 32
ARRIVES_WITHIN = 2.0
"""Seconds in which a span comes, if it was exported at all."""
_COLOURS = {"users": GREEN, "orders": YELLOW}


def main(arguments: Sequence[str]) -> int:
    """Print the trace that the argument names."""
    if len(arguments) != 1:
        raise Trouble("which trace? For example the trace_id of a log line: ./dev trace ID")
    running = State().running()
    if not running:
        raise Trouble("the platform does not run: ./dev up")
    if not running.get("collector"):
        raise Trouble("its spans go to your own OTEL_EXPORTER_OTLP_ENDPOINT: look there")
    collector, trace_id = running["collector"], arguments[0]
    # A line of the log is there some tenths of a second before the spans that it names.
    missing = f"no span of trace {trace_id!r} has come"
    for line in draw(until(lambda: fetch(collector, trace_id), ARRIVES_WITHIN, missing)):
        say(line)
    return 0


def fetch(collector: str, trace_id: str) -> list[Span]:
    """Return the spans of a trace that the collector has."""
    with urlopen(f"{collector}/traces/{trace_id}", timeout=5) as response:  # noqa: S310 - loopback
        return [Span(**span) for span in json.load(response)]


def await_trace(collector: str, trace_id: str, services: set[str]) -> list[Span]:
    """Return a trace once it has its root, no gap, and spans of all `services`."""

    def whole() -> list[Span] | None:
        spans = fetch(collector, trace_id)
        known = {span.span_id for span in spans}
        roots = {span.parent_id for span in spans} - known
        return spans if roots == {""} and services <= {span.service for span in spans} else None

    return until(whole, 10, f"trace {trace_id} did not arrive whole from {services}")


def draw(spans: Sequence[Span]) -> Iterator[str]:
    """Yield the lines of the tree: service, span, where it lies in the trace, how long it took."""
    start, end = min(span.start for span in spans), max(span.end for span in spans)
    rows = list(_rows(spans))
    width = max(len(f"{lead}{_label(span)}") for lead, span in rows)
    column = max(7, *(len(span.service) for span in spans))
    for lead, span in rows:
        label = paint(_label(span), RED) if span.error else _label(span)
        gap = " " * (width - len(lead) - len(_label(span)))
        service = paint(f"{span.service:{column}}", _COLOURS.get(span.service, CYAN))
        bar = paint(_bar(span, start, end), _COLOURS.get(span.service, CYAN))
        yield f"{service} {paint(lead, DIM)}{label}{gap}  {bar} {span.milliseconds:8.1f} ms"


def _rows(spans: Sequence[Span], parent: str = "", lead: str = "") -> Iterator[tuple[str, Span]]:
    known = {span.span_id for span in spans}
    children = sorted(
        (s for s in spans if (s.parent_id if s.parent_id in known else "") == parent),
        key=lambda span: span.start,
    )
    for child in children:
        last = child is children[-1]
        branch, below = ("└─ ", "   ") if last else ("├─ ", "│  ")
        yield (f"{lead}{branch}" if parent else "", child)
        yield from _rows(spans, child.span_id, f"{lead}{below}" if parent else "")


def _label(span: Span) -> str:
    return f"→ {span.name}" if span.kind == "CLIENT" else span.name


def _bar(span: Span, start: int, end: int) -> str:
    scale = WIDTH / max(end - start, 1)
    left = min(int((span.start - start) * scale), WIDTH - 1)
    size = max(1, round((span.end - span.start) * scale))
    return (" " * left + "━" * min(size, WIDTH - left)).ljust(WIDTH)
