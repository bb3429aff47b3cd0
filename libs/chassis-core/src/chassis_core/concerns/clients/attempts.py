"""One call as a few attempts: which are made, when, and when to stop."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from chassis_core.concerns.clients.breaker import Breaker, RetryBudget
from chassis_core.concerns.clients.bulkhead import Bulkhead
from chassis_core.concerns.clients.credentials import Credentials
from chassis_core.concerns.clients.failure import CallFailed, crowded, known_to_fail
from chassis_core.concerns.clients.metrics import ClientMetrics
from chassis_core.concerns.clients.settings import ClientSettings
from chassis_core.concerns.clients.wire import Wire

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
MOST = 3
"""Attempts of one call, whatever their reason."""


class Attempts:
    """Makes the attempts of all calls to one service.

    Args:
        name: of the service.
        settings: how patient to be.
        wire: sends one attempt.
        credentials: whose token it carries.
        metrics: shared by the clients of an app.
    """

    def __init__(
        self,
        name: str,
        settings: ClientSettings,
        *,
        wire: Wire,
        credentials: Credentials,
        metrics: ClientMetrics,
    ) -> None:
        self._name = name
        self._settings = settings
        self._wire = wire
        self._credentials = credentials
        self._metrics = metrics
        self._breaker = Breaker(
            failures=settings.breaker_failures,
            ratio=settings.breaker_ratio,
            open_for=settings.breaker_open,
        )
        self._bulkhead = Bulkhead(settings.max_in_flight)
        self._budget = RetryBudget(settings.retry_ratio)
        metrics.watch(name, self._breaker, self._bulkhead)

    async def make(self, request: httpx2.Request, deadline: float) -> httpx2.Response:
        """Return the answer of the first attempt that has one.

        Raises:
            CallFailed: the last attempt had none, or no further one may be made.
        """
        self._budget.earn()
        safe = request.method in IDEMPOTENT or "idempotency-key" in request.headers
        last = self._settings.attempts if safe else 1
        own_header = "authorization" in request.headers
        renewed = own_header
        number = 1
        while True:
            try:
                response = await self._attempt(request, deadline, number, own_header=own_header)
            except CallFailed as failed:
                wait = max(failed.after, self._backoff(number))
                if number >= last or not failed.again or time.monotonic() + wait >= deadline:
                    raise
                if not self._granted():
                    raise
                await asyncio.sleep(wait)
            else:
                if response.status_code != 401 or renewed or number >= MOST:
                    return response
                # A call that was refused for its token has done nothing: any may be repeated.
                if not self._credentials.refused(request.headers.get("authorization")):
                    return response
                renewed = True
            number += 1

    def _backoff(self, number: int) -> float:
        return random.uniform(0, self._settings.backoff * 2 ** (number - 1))  # noqa: S311 - no secret

    def _granted(self) -> bool:
        granted = self._budget.spend()
        self._metrics.retry(self._name, granted=granted)
        return granted

    async def _attempt(
        self, request: httpx2.Request, deadline: float, number: int, *, own_header: bool
    ) -> httpx2.Response:
        if self._breaker.opens_in() > 0:
            raise self._refused(request)
        if not own_header:
            header = await self._credentials.header(deadline - time.monotonic())
            if header is not None:
                request.headers["Authorization"] = header
        async with self._place(request, deadline):
            ticket = self._breaker.admit()
            if ticket is None:
                raise self._refused(request)
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

    def _refused(self, request: httpx2.Request) -> CallFailed:
        self._metrics.observe(self._name, request.method, "open", 0)
        return known_to_fail(self._name, self._breaker.opens_in())

    @asynccontextmanager
    async def _place(self, request: httpx2.Request, deadline: float) -> AsyncIterator[None]:
        start = time.monotonic()
        within = min(self._settings.connect_timeout, deadline - start)
        try:
            await self._bulkhead.enter(within)
        except TimeoutError as error:
            waited = time.monotonic() - start
            self._metrics.observe(self._name, request.method, "busy", waited)
            raise crowded(self._name) from error
        try:
            yield
        finally:
            self._bulkhead.leave()
