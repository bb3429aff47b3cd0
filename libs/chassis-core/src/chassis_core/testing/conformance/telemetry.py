"""What is emitted for every request."""

import random
from collections.abc import Iterator

from chassis_core.testing.conformance.probe import BASE, CAUSE
from chassis_core.testing.conformance.promise import Promise, hold
from chassis_core.testing.conformance.situations import TRACE, counted, situations
from chassis_core.testing.conformance.subject import Running, Subject
from chassis_core.testing.telemetry import Telemetry

HOSTILE = 100
"""Requests of strangers that may make no more than `NEW_SERIES`."""
NEW_SERIES = 5
_FIELDS = {"timestamp", "level", "event", "service", "version", "environment"}
_METHODS = ("GET", "POST", "DELETE", "BREW", "get", "PROPFIND", "X" * 50)
_HOSTS = ("foreign.example", "a" * 200, "127.0.0.1:99999")


async def _logged(subject: Subject) -> None:
    for seen in await situations(subject):
        hold(len(seen.access) == 1, f"{seen.name}: {len(seen.access)} access lines; one belongs")
        line = seen.access[0]
        expected = {
            "http.response.status_code": seen.answer.status_code,
            "request_id": seen.answer.headers.get("x-request-id", "the answer's, which has none"),
            "trace_id": TRACE,
            "service": subject.settings.name,
        }
        wrong = {k: line.get(k) for k, value in expected.items() if line.get(k) != value}
        hold(not wrong, f"{seen.name}: the access line has {wrong}, not {expected}")
        lacking = [sorted(_FIELDS - line.keys()) for line in seen.lines if _FIELDS - line.keys()]
        hold(not lacking, f"{seen.name}: log lines lack {lacking}")


async def _counted(subject: Subject) -> None:
    for seen in await situations(subject):
        statuses = [dict(labels).get("http_response_status_code") for labels in seen.counted]
        hold(
            sum(seen.counted.values()) == 1 and statuses == [str(seen.answer.status_code)],
            f"{seen.name}: counted as {seen.counted}; one sample with its status belongs there",
        )


async def _traced(subject: Subject) -> None:
    for seen in await situations(subject):
        hold(seen.spans == 1, f"{seen.name}: {seen.spans} server spans; one belongs there")
    async with subject.running() as service:
        header = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
        await service.http.get(f"{BASE}/ok", headers=header)
        traces = {format(span.context.trace_id, "032x") for span in service.telemetry.spans}
        hold(traces == {TRACE}, f"the caller's trace {TRACE} is continued as {traces}")


async def _explained(subject: Subject) -> None:
    async with subject.running() as service:
        answer = await service.http.get(f"{BASE}/boom")
        number = answer.headers.get("x-request-id")
        told = [line for line in service.telemetry.lines if "exception" in line]
        hold(len(told) == 1, f"a failure has {len(told)} log lines with a stack trace; one belongs")
        hold(
            CAUSE in told[0]["exception"] and "Traceback" in told[0]["exception"],
            f"the log tells no cause of a failure: {told[0]['exception'][:200]}",
        )
        hold(told[0].get("request_id") == number, "the line with the cause lacks the request id")
        hold(told[0]["level"] == "error", f"a failure is logged as {told[0]['level']}, not error")


async def _bounded(subject: Subject) -> None:
    async with subject.running() as service:
        # Everyday mistakes have series of their own; they are there before the abuse begins.
        for path in _paths(subject, 0):
            for method in _METHODS:
                await service.http.request(method, path)
        before = counted(service.telemetry)
        await _abuse(subject, service)
        after = counted(service.telemetry)
    new = [dict(labels) for labels in after.keys() - before.keys()]
    hold(
        len(new) <= NEW_SERIES,
        f"{HOSTILE} hostile requests made {len(new)} series, at most {NEW_SERIES} may be new: "
        f"{new[:3]}",
    )
    sum_of_new = sum(after.values()) - sum(before.values())
    hold(sum_of_new == HOSTILE, f"of {HOSTILE} hostile requests {sum_of_new:g} were counted")


async def _abuse(subject: Subject, service: Running) -> None:
    for number in range(1, HOSTILE + 1):
        choose = random.Random(number).choice
        await service.http.request(
            choose(_METHODS),
            choose([*_paths(subject, number)]),
            headers={"host": choose([*_HOSTS, subject.host])},
        )


def _paths(subject: Subject, number: int) -> Iterator[str]:
    yield f"/{number}"
    yield f"{BASE}/ok/{number}"
    yield f"/..;/{number}"
    for operation in subject.operations:
        yield f"{operation.url}{number}"


async def _exposed(subject: Subject) -> None:
    async with subject.running() as service:
        await service.http.get(f"{BASE}/ok")
        answer = await service.admin("/metrics")
    hold(answer.status_code == 200, f"/metrics of the admin app is {answer.status_code}, not 200")
    for name in ("http_server_request_duration_seconds_count", "chassis_build_info"):
        hold(f"\n{name}{{" in answer.text, f"/metrics does not expose {name}")


def emitted(telemetry: Telemetry) -> str:
    """Return all that a service has told: log lines, spans and metrics, as one text."""
    spans = [span.to_json() for span in telemetry.spans]
    samples = [str(m.samples) for m in telemetry.registry.collect()]
    return "\n".join([*map(str, telemetry.lines), *spans, *samples])


TELEMETRY = (
    Promise(
        "answers-are-logged-once",
        says="Every answer has one access line, in JSON, with its status, request id and trace id.",
        why="What is refused early is what an incident is about, and what is missing from a log "
        "that only the handlers write.",
        check=_logged,
    ),
    Promise(
        "answers-are-counted-once",
        says="Every answer is counted once in http_server_request_duration_seconds, with its "
        "status.",
        why="Alerts see what is counted. Refused hosts, large bodies and quotas were missing from "
        "the metrics of a service whose tests were all green.",
        check=_counted,
    ),
    Promise(
        "answers-are-traced",
        says="Every answer has one server span, in the trace that the caller brought.",
        why="A trace that breaks at one service ends there for all behind it.",
        check=_traced,
    ),
    Promise(
        "failures-are-explained-in-the-log",
        says="A failure is logged once, with its stack trace and the request id of its answer.",
        why="The answer hides the cause, so the log must have it, under the number that the caller "
        "was given.",
        check=_explained,
    ),
    Promise(
        "strangers-make-no-series",
        says=f"{HOSTILE} hostile paths, methods and hosts add at most {NEW_SERIES} series of "
        "metrics.",
        why="A label that holds what strangers write grows without bound: each path id once added "
        "24 series, and the metrics store is the first to fall.",
        check=_bounded,
    ),
    Promise(
        "metrics-are-exposed",
        says="The admin listener exposes the metrics of requests at /metrics.",
        why="Dashboards and alerts are built on these names; without them they are silent, not "
        "red.",
        check=_exposed,
    ),
)
