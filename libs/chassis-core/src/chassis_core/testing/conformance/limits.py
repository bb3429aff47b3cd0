"""How much a caller may ask for, and how long an answer may take."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import httpx2

from chassis_core.contract.bounds import BOUNDS, is_limit
from chassis_core.contract.rules.routing import UNSAFE
from chassis_core.testing.conformance.probe import BASE
from chassis_core.testing.conformance.promise import Promise, hold
from chassis_core.testing.conformance.subject import Running, Subject

SOON = 3.0
"""Seconds in which a deadline of a fraction of one is noticed, on a machine that is busy."""
_UNITS = re.compile(r";r=(\d+)")
_SANE: dict[tuple[str, str], tuple[Callable[[Any], bool], str]] = {
    ("rate_limit", "default"): (lambda rates: is_limit(rates or ""), "a rate such as 200/second"),
    ("trusted_hosts", "allowed"): (lambda names: "*" not in names, "names, not *"),
    ("logs", "access"): (bool, "true"),
    ("logs", "level"): (lambda one: one == "info", "info: less hides access lines, more is noise"),
    **{(one.section, one.field): (one.fits, one.says) for one in BOUNDS},
}


async def _limited(subject: Subject) -> None:
    async with subject.running(RATE_LIMIT__DEFAULT="2/hour") as service:
        for _ in range(2):
            answer = await service.http.get(f"{BASE}/ok")
            missing = {"ratelimit", "ratelimit-policy"} - answer.headers.keys()
            hold(not missing, f"an answer within the limit lacks the headers {sorted(missing)}")
        answer = await service.http.get(f"{BASE}/ok")
        status = answer.status_code
        hold(status == 429, f"the third request of 2/hour is answered {status}, not 429")
        after = answer.headers.get("retry-after", "")
        hold(after.isdigit() and int(after) >= 1, f"429 has Retry-After {after!r}, not seconds")
        status = (await service.http.get("/livez")).status_code
        hold(status == 200, f"/livez is limited too: {status}; probes must never be")


async def _open_writes(subject: Subject) -> None:
    key = subject.settings.rate_limit.key_header
    async with subject.running() as service:
        everywhere = _remaining(await service.http.get(f"{BASE}/ok"))
        for operation in subject.operations:
            is_open = operation.security is not None and not operation.guarded
            if is_open and operation.method.lower() in UNSAFE:
                # A stranger may send another API key each time: that must not be another caller.
                sent = [await service.send(operation, {key: f"made-up-{n}"}) for n in range(2)]
                before, after = [_remaining(answer)[len(everywhere) :] for answer in sent]
                hold(
                    any(second < first for first, second in zip(before, after, strict=False)),
                    f"anyone may call {operation}, and no limit of its own holds a stranger: give "
                    "it Depends(RateLimit('10/minute', by='address'))",
                )


def _remaining(answer: httpx2.Response) -> list[int]:
    return [int(units) for units in _UNITS.findall(answer.headers.get("ratelimit", ""))]


async def _shed(subject: Subject) -> None:
    async with subject.running(LOAD__MAX_CONCURRENCY="1") as service:
        working = asyncio.create_task(service.http.get(f"{BASE}/slow"))
        try:
            await _until_busy(service)
            answer = await service.http.get(f"{BASE}/ok")
            status, after = answer.status_code, answer.headers.get("retry-after", "")
            hold(status == 503, f"a request beyond load.max_concurrency is answered {status}")
            hold(after.isdigit(), f"503 has Retry-After {after!r}, not seconds")
            probe = (await service.http.get("/livez")).status_code
            hold(probe == 200, f"/livez is answered {probe} under load; probes are never shed")
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


async def _until_busy(service: Running) -> None:
    for _ in range(100):
        await asyncio.sleep(0.01)
        if service.telemetry.sample("load_in_flight_requests"):
            return


async def _timely(subject: Subject) -> None:
    async with subject.running() as service:
        for milliseconds in ("0", "50"):
            said = await _said_soon(service, {"x-request-deadline-ms": milliseconds})
            hold(said == "504", f"with {milliseconds} ms left the answer is {said}, not 504")
    async with subject.running(DEADLINE__TIMEOUT="0.1") as service:
        said = await _said_soon(service, {})
        hold(said == "504", f"beyond deadline.timeout the answer is {said}, not 504")


async def _said_soon(service: Running, headers: dict[str, str]) -> str:
    asked = service.http.get(f"{BASE}/slow", headers=headers)
    try:
        return str((await asyncio.wait_for(asked, SOON)).status_code)
    except TimeoutError:
        return f"none after {SOON:g} s"


async def _sane(subject: Subject) -> None:
    for (section, field), (fits, belongs) in _SANE.items():
        value = getattr(getattr(subject.settings, section), field)
        hold(fits(value), f"{section}.{field} is {value!r} in production; it must be {belongs}")


LIMITS = (
    Promise(
        "callers-are-limited",
        says="Answers tell a caller's quota; beyond it they are 429 and say when to come back.",
        why="One caller without a limit takes what all others need, and one that is not told when "
        "to come back comes back at once.",
        check=_limited,
    ),
    Promise(
        "open-writes-are-limited",
        says="An operation that changes something and that anyone may call has a limit of its own.",
        why="The limit of all requests is for reads: at that rate a stranger fills a table, or "
        "tries every password.",
        check=_open_writes,
    ),
    Promise(
        "load-is-shed",
        says="What is more than the process can do is answered 503 at once, and probes never are.",
        why="A process that takes everything answers nothing in time, and is then restarted for "
        "it.",
        check=_shed,
    ),
    Promise(
        "deadlines-are-kept",
        says="A request is given up with 504 when its own time is over, or its caller's.",
        why="Work for a caller who has left is done at the cost of those who still wait.",
        check=_timely,
    ),
    Promise(
        "limits-are-sane",
        says="In production no limit is so high, and no protection so weak, that it protects "
        "nothing.",
        why="A limit that was raised for an afternoon's test stays raised.",
        check=_sane,
    ),
)
