"""How much a caller may ask for, and how long an answer may take."""

import asyncio
from collections.abc import Callable
from typing import Any

from chassis_core.testing.conformance.probe import BASE
from chassis_core.testing.conformance.promise import Promise, hold
from chassis_core.testing.conformance.subject import Running, Subject

SOON = 3.0
"""Seconds in which a deadline of a fraction of one is noticed, on a machine that is busy."""
_SANE: dict[str, tuple[Callable[[Any], bool], str]] = {
    "body_limit.max_bytes": (lambda n: n <= 16_777_216, "16 MiB at most"),
    "body_limit.max_json_depth": (lambda n: n <= 512, "512 at most"),
    "deadline.timeout": (lambda n: n <= 60, "60 s at most: proxies wait no longer"),
    "rate_limit.default": (bool, "a rate such as 200/second"),
    "load.max_concurrency": (lambda n: n <= 2000, "2000 at most"),
    "trusted_hosts.allowed": (lambda names: "*" not in names, "names, not *"),
    "logs.access": (bool, "true"),
    "logs.level": (lambda level: level == "info", "info: less hides access lines, more is noise"),
    "auth.max_lifetime": (lambda n: n <= 86_400, "a day at most: tokens cannot be recalled"),
    "auth.leeway": (lambda n: n <= 120, "120 s at most"),
    "security_headers.hsts_max_age": (lambda n: n >= 86_400, "a day at least"),
    "server.header_timeout": (lambda n: n <= 30, "30 s at most"),
    "server.body_timeout": (lambda n: n <= 60, "60 s at most"),
    "server.max_headers": (lambda n: n <= 500, "500 at most"),
    "server.max_header_bytes": (lambda n: n <= 65_536, "64 KiB at most"),
    "database.statement_timeout": (lambda n: 0 < n <= 30, "30 s at most, and not 0"),
    "database.pool_timeout": (lambda n: n <= 5, "5 s at most"),
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
    for name, (fits, belongs) in _SANE.items():
        section, _, field = name.partition(".")
        value = getattr(getattr(subject.settings, section), field)
        hold(fits(value), f"{name} is {value!r} in production; it must be {belongs}")


LIMITS = (
    Promise(
        "callers-are-limited",
        "Answers tell a caller's quota; beyond it they are 429 and say when to come back.",
        "One caller without a limit takes what all others need, and one that is not told when to "
        "come back comes back at once.",
        _limited,
    ),
    Promise(
        "load-is-shed",
        "What is more than the process can do is answered 503 at once, and probes never are.",
        "A process that takes everything answers nothing in time, and is then restarted for it.",
        _shed,
    ),
    Promise(
        "deadlines-are-kept",
        "A request is given up with 504 when its own time is over, or its caller's.",
        "Work for a caller who has left is done at the cost of those who still wait.",
        _timely,
    ),
    Promise(
        "limits-are-sane",
        "In production no limit is so high, and no protection so weak, that it protects nothing.",
        "A limit that was raised for an afternoon's test stays raised.",
        _sane,
    ),
)
