"""One request for each way in which an answer comes about, and what the service emitted for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from chassis_core.testing.conformance.probe import BASE
from chassis_core.testing.conformance.subject import Running, Subject
from chassis_core.testing.telemetry import Telemetry

TRACE = "0af7651916cd43dd8448eb211c80319c"
"""The trace id that every request brings."""
PLANTED = "planted-by-the-caller"
"""What a caller put into query, body and headers, and must not read again."""
FOREIGN = "https://foreign.example"
JSON = {"content-type": "application/json"}
_PREFLIGHT = {"origin": FOREIGN, "access-control-request-method": "POST"}
Samples = dict[tuple[tuple[str, str], ...], float]


@dataclass(frozen=True, slots=True)
class Situation:
    """One request.

    Attributes:
        name: of the situation.
        path: below the probe, or from the root.
        method: of the request.
        options: passed on to the client.
        times: it is sent; the last answer counts.
    """

    name: str
    path: str
    method: str = "GET"
    options: Mapping[str, Any] = field(default_factory=dict)
    times: int = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a situation.

    Attributes:
        name: of the situation, with the status that it was answered with.
        answer: the last answer.
        lines: the log lines of it.
        spans: the number of server spans of it.
        counted: the samples that it added, by their labels.
    """

    name: str
    answer: httpx2.Response
    lines: list[dict[str, Any]]
    spans: int
    counted: Samples

    @property
    def access(self) -> list[dict[str, Any]]:
        """Its access lines."""
        return [line for line in self.lines if line.get("event") == "request"]


def _situations(too_large: int) -> list[Situation]:
    note = f"{BASE}/note"
    wrong = {"json": {"text": 1, "number": PLANTED, "unknown": PLANTED}}
    return [
        Situation("a good answer", f"{BASE}/ok"),
        Situation("no such path", "/no/such/path"),
        Situation("no such method", f"{BASE}/ok", "DELETE"),
        Situation("a foreign host", f"{BASE}/ok", options={"headers": {"host": "foreign.example"}}),
        Situation("a foreign preflight", note, "OPTIONS", {"headers": _PREFLIGHT}),
        Situation("no credential", f"{BASE}/caller"),
        Situation("a conflict", f"{BASE}/conflict"),
        Situation("a body that is not JSON", note, "POST", {"content": b"{", "headers": JSON}),
        Situation("a body that breaks its schema", note, "POST", wrong),
        Situation(
            "a body that is too large",
            note,
            "POST",
            {"content": b" " * (too_large + 1), "headers": JSON},
        ),
        Situation(
            "a body in a coding",
            note,
            "POST",
            {"content": b"{}", "headers": JSON | {"content-encoding": "compress"}},
        ),
        Situation("a failure", f"{BASE}/boom"),
        Situation(
            "no time left", f"{BASE}/slow", options={"headers": {"x-request-deadline-ms": "30"}}
        ),
        Situation("a quota used up", f"{BASE}/limited", times=2),
    ]


async def situations(subject: Subject) -> list[Seen]:
    """Bring about every situation, one after the other, in one app."""
    async with subject.running() as service:
        named = _situations(subject.settings.body_limit.max_bytes)
        return [await _seen(service, one) for one in named]


async def _seen(service: Running, one: Situation) -> Seen:
    headers = {
        "traceparent": f"00-{TRACE}-b7ad6b7169203331-01",
        "x-planted": PLANTED,
        **one.options.get("headers", {}),
    }
    for _ in range(one.times):
        service.telemetry.clear()
        before = counted(service.telemetry)
        answer = await service.http.request(
            one.method,
            one.path,
            **{**one.options, "headers": headers, "params": {"planted": PLANTED}},
        )
    after = counted(service.telemetry)
    return Seen(
        f"{one.name} ({answer.status_code})",
        answer,
        service.telemetry.lines,
        sum(span.kind.name == "SERVER" for span in service.telemetry.spans),
        {key: n - before.get(key, 0) for key, n in after.items() if n != before.get(key, 0)},
    )


def counted(telemetry: Telemetry) -> Samples:
    """Return how many requests the metric has counted, by their labels."""
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for metric in telemetry.registry.collect()
        if metric.name == "http_server_request_duration_seconds"
        for sample in metric.samples
        if sample.name.endswith("_count")
    }
