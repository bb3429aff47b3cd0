"""Readiness: the checks of all concerns at once, each bounded, their report shared for a moment."""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from typing import Literal

from opentelemetry import context, trace
from prometheus_client import CollectorRegistry, Gauge

from chassis_core.concern import Check, Concern
from chassis_core.problem import Problem

Status = Literal["ok", "degraded", "unavailable"]
_Running = asyncio.Task[Mapping[str, str] | None]

_log = logging.getLogger(__name__)
_UNSAMPLED = trace.NonRecordingSpan(trace.SpanContext(1, 1, is_remote=False))


@dataclass(frozen=True, slots=True)
class Report:
    """How the service is, and each check by the name of its concern."""

    status: Status = "ok"
    checks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class Readiness:
    """Runs checks in parallel; however many ask, one round is under way and its report is shared.

    Args:
        timeout: seconds that a check may take. One that outlasts its cancellation is not started
            again before it has ended.
        ttl: seconds for which a report is given again.
        registry: where the outcome of each check is shown.
    """

    def __init__(
        self,
        *,
        timeout: float,
        ttl: float,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._timeout = timeout
        self._ttl = ttl
        self._report = Report()
        self._fresh_until = 0.0
        self._round: asyncio.Task[Report] | None = None
        self._running: dict[str, _Running] = {}
        self._draining = False
        self._up = Gauge(
            "health_check_up",
            "1 if a concern's check passed when a probe last asked, else 0.",
            ["check"],
            registry=registry,
        )

    async def report(self, concerns: Iterable[Concern]) -> Report:
        """Return the state of `concerns`, at most `ttl` seconds old."""
        if self._draining:
            return Report("unavailable", {"drain": {"status": "unavailable"}})
        if time.monotonic() < self._fresh_until:
            return self._report
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._check(concerns), context=Context())
        # Shielded: one caller who hangs up must not end the round for the others.
        return await asyncio.shield(self._round)

    def drain(self) -> None:
        """Report "unavailable" from now on, without waiting for what is cached."""
        self._draining = True

    def close(self) -> None:
        """Cancel the checks that are still under way, and forget them: the loop may end."""
        for task in self._running.values():
            task.cancel()
        self._running.clear()
        self._round = None

    async def _check(self, concerns: Iterable[Concern]) -> Report:
        checked = [
            (concern, self._start(concern.name, concern.ready))
            for concern in concerns
            if concern.ready is not None
        ]
        if checked:
            await asyncio.wait([task for _, task in checked], timeout=self._timeout)
        checks: dict[str, Mapping[str, str]] = {}
        for concern, task in checked:
            checks[concern.name] = self._verdict(task, optional=concern.optional)
            self._up.labels(concern.name).set(checks[concern.name]["status"] == "ok")
            self._tell_change(concern.name, checks[concern.name], task)
        found = {check["status"] for check in checks.values()}
        worst: Status = "degraded" if "degraded" in found else "ok"
        self._report = Report("unavailable" if "unavailable" in found else worst, checks)
        self._fresh_until = time.monotonic() + self._ttl
        return self._report

    def _start(self, name: str, check: Check) -> _Running:
        task = self._running.get(name)
        if task is None or task.done():
            task = asyncio.create_task(_run(check), context=_untraced())
            task.add_done_callback(_error)
            self._running[name] = task
        return task

    def _verdict(self, task: _Running, *, optional: bool) -> Mapping[str, str]:
        if not task.done():
            task.cancel()
            error = f"no answer within {self._timeout:g} s"
        elif (raised := _error(task)) is None:
            return {"status": "ok", **(task.result() or {})}
        else:
            error = _describe(raised)
        return {"status": "degraded" if optional else "unavailable", "error": error}

    def _tell_change(self, name: str, now: Mapping[str, str], task: _Running) -> None:
        before = self._report.checks.get(name, {"status": "ok"})
        if now["status"] == before["status"]:
            return
        error = _error(task) if task.done() else None
        level = logging.INFO if now["status"] == "ok" else logging.WARNING
        _log.log(level, "readiness changed", extra={"check": name, **now}, exc_info=error)


async def _run(check: Check) -> Mapping[str, str] | None:
    return await check()


def _error(task: _Running) -> BaseException | None:
    return asyncio.CancelledError() if task.cancelled() else task.exception()


def _describe(error: BaseException) -> str:
    name = type(error).__name__
    # A problem's detail is written for strangers; the text of any other error is not.
    return f"{name}: {error.text}" if isinstance(error, Problem) and error.text else name


def _untraced() -> Context:
    quiet = Context()
    quiet.run(context.attach, trace.set_span_in_context(_UNSAMPLED))
    return quiet
