"""The client of one other service."""

import asyncio
import random
import time
from collections.abc import Mapping
from typing import Any

import httpx2
from opentelemetry.trace import Tracer

from chassis_core import context
from chassis_core.concerns.clients.breaker import Breaker, RetryBudget
from chassis_core.concerns.clients.failure import CallFailed, out_of_time, refused
from chassis_core.concerns.clients.metrics import ClientMetrics
from chassis_core.concerns.clients.settings import ClientSettings
from chassis_core.concerns.clients.wire import Wire

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class ServiceClient:
    """Calls one other service on behalf of the request in flight.

    Each call ends within the time that request has left, carries its trace, id and caller, and
    returns any answer below 500 that is not a redirect or a 429. Everything else is raised as the
    problem that our own caller should see.

    Args:
        name: of the other service, in errors, spans and metrics.
        settings: where it is and how patient to be.
        metrics: shared by the clients of an app.
        tracer: makes a span an attempt.
        transport: instead of the network.
    """

    def __init__(
        self,
        name: str,
        settings: ClientSettings,
        *,
        metrics: ClientMetrics | None = None,
        tracer: Tracer | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = name
        self._settings = settings
        self._metrics = metrics or ClientMetrics()
        self._wire = Wire(name, settings, metrics=self._metrics, tracer=tracer, transport=transport)
        self._breaker = Breaker(
            failures=settings.breaker_failures,
            ratio=settings.breaker_ratio,
            open_for=settings.breaker_open,
        )
        self._budget = RetryBudget(settings.retry_ratio)
        self._metrics.watch(name, self._breaker)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._wire.aclose()

    async def get(self, path: str, **options: Any) -> httpx2.Response:
        """Send a GET; see `request`."""
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> httpx2.Response:
        """Send a POST, retried only with an `Idempotency-Key` header; see `request`."""
        return await self.request("POST", path, **options)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """Send a request and return the answer with its body read.

        Raises:
            BadGateway: the answer is an error, a redirect, broken or too long.
            Unavailable: the service cannot be reached, is busy, or is known to fail.
            GatewayTimeout: there was no time, or no answer in it.
        """
        if not path.startswith("/") or path.startswith("//"):
            raise ValueError(f"path {path!r} must start with one slash")
        request = httpx2.Request(
            method, self._settings.url + path, params=params, json=json, headers=headers
        )
        deadline = time.monotonic() + self._time()
        self._budget.earn()
        try:
            return await self._attempts(request, deadline)
        except CallFailed as failed:
            raise failed.problem from failed.__cause__

    def _time(self) -> float:
        current = context.current()
        left = current.time_left() if current else None
        time_left = self._settings.timeout if left is None else min(left, self._settings.timeout)
        if time_left <= 0:
            raise out_of_time(self.name)
        return time_left

    async def _attempts(self, request: httpx2.Request, deadline: float) -> httpx2.Response:
        safe = request.method in IDEMPOTENT or "idempotency-key" in request.headers
        last = self._settings.attempts if safe else 1
        number = 1
        while True:
            try:
                return await self._attempt(request, deadline, number)
            except CallFailed as failed:
                wait = max(failed.after, self._backoff(number))
                if number >= last or not failed.again or time.monotonic() + wait >= deadline:
                    raise
                if not self._granted():
                    raise
            await asyncio.sleep(wait)
            number += 1

    def _backoff(self, number: int) -> float:
        return random.uniform(0, self._settings.backoff * 2 ** (number - 1))  # noqa: S311 - no secret

    def _granted(self) -> bool:
        granted = self._budget.spend()
        self._metrics.retry(self.name, granted=granted)
        return granted

    async def _attempt(
        self, request: httpx2.Request, deadline: float, number: int
    ) -> httpx2.Response:
        ticket = self._breaker.admit()
        if ticket is None:
            self._metrics.observe(self.name, request.method, "open", 0)
            raise refused(self.name, self._breaker.opens_in())
        ok: bool | None = None
        try:
            response = await self._wire.send(request, deadline - time.monotonic(), number)
            ok = True
        except CallFailed as failed:
            ok = False if failed.counts else None
            raise
        finally:
            self._breaker.report(ticket, ok=ok)
        return response
