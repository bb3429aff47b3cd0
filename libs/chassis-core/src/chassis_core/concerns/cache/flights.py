"""Loads in flight: one for a key, whoever and wherever asks.

Who loads: each reader asks the store with a token of its own. If nothing fresh is there, the store
gives the lease of the key to the first that asks, and tells all others the token of its holder. The
holder loads, and renews the lease until it is done. A store that fails gives no lease: each process
then loads for itself and keeps nothing.

Who waits: nobody for whom there is an old value. The others wait on a flight, of which a process
has one for each lease. The holder's loads; one of another process asks the store again and again,
until the value is there, or the lease has come to it and it loads itself.

What an invalidation does: it takes value and lease away, on Redis by another generation of the key,
so that whoever reads after it loads anew. A load from before it runs on for those who wait on it
already, and its value is not kept.

What ends early: a load that fails fails those who wait in its process and gives the lease back, so
that another process loads. A reader that leaves ends no flight. A process that dies renews no more:
the others have waited `cache.lease` seconds for it, and load.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from chassis_core import context
from chassis_core.concerns.cache.metrics import CacheMetrics
from chassis_core.concerns.cache.settings import CacheSettings
from chassis_core.concerns.cache.store import CacheKey, CacheStore, Found

log = logging.getLogger(__name__)

POLL = 0.02
"""Seconds between looks at a value that another process loads."""
HURRY = 0.1
"""Seconds before its deadline from which on a load may give up for lack of time."""

Lease = tuple[CacheKey, str, str]
"""A lease that was given: the key, its generation, and the token of the holder."""


class Loading(NamedTuple):
    """What is loaded, how, and for how long it is good."""

    key: CacheKey
    adapter: TypeAdapter[Any]
    loader: Callable[[], Awaitable[Any]]
    ttl: float
    stale: float


class Flight(NamedTuple):
    """What the readers of one process wait on, and the deadline of the one that started it."""

    task: asyncio.Task[bytes]
    deadline: float

    def was_hurried(self) -> bool:
        """Whether its time is over, and the request that runs now has more."""
        over = time.monotonic() > self.deadline - HURRY
        return over and _deadline() > self.deadline + HURRY


class Flights:
    """The loads of one cache; those who ask for the same value at the same time share one.

    Args:
        settings: of the cache.
        store: where the values go.
        read: looks for a value that another process loads.
        metrics: of the cache.
    """

    def __init__(
        self,
        settings: CacheSettings,
        *,
        store: CacheStore,
        read: Callable[[CacheKey, str], Awaitable[Found]],
        metrics: CacheMetrics,
    ) -> None:
        self._settings = settings
        self._store = store
        self._read = read
        self._metrics = metrics
        self._flights: dict[Lease, Flight] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def join(self, loading: Loading, found: Found, token: str) -> Flight:
        """Return what to wait on for a value: the flight of its lease, or a new one."""
        lease = (loading.key, found.generation, found.holder)
        # The holder of the lease always loads: whoever came before it waits for its value.
        if found.holder != token and (waiting := self._flights.get(lease)) is not None:
            self._metrics.count(loading.key.namespace, "wait")
            return waiting
        task = self._start(self._fly(loading, found, token))
        flight = self._flights[lease] = Flight(task, _deadline())
        task.add_done_callback(lambda done: self._landed(lease, done))
        return flight

    def abandon(self, key: CacheKey, token: str) -> None:
        """Give back the lease of a reader that has gone, if its question had won one."""
        self._start(self._release_if_won(key, token))

    async def aclose(self) -> None:
        """Stop every load."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _landed(self, lease: Lease, task: asyncio.Task[bytes]) -> None:
        if (flight := self._flights.get(lease)) is not None and flight.task is task:
            del self._flights[lease]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("cache_load_failed", extra={"reason": repr(error)})

    async def _release_if_won(self, key: CacheKey, token: str) -> None:
        found = await self._read(key, token)
        if found.holder == token:
            await self._give_back(key, found)

    async def _fly(self, loading: Loading, found: Found, token: str) -> bytes:
        while found.holder not in {token, ""}:
            await asyncio.sleep(POLL)
            found = await self._read(loading.key, token)
            if found.body is not None:
                self._metrics.count(loading.key.namespace, "wait")
                return found.body
        self._metrics.count(loading.key.namespace, "miss")
        holding = self._start(self._hold(loading.key, found))
        try:
            value = await loading.loader()
            body = loading.adapter.dump_json(value)
        except BaseException:
            await self._give_back(loading.key, found)
            raise
        finally:
            holding.cancel()
        await self._keep(loading, found, body, empty=value is None)
        return body

    async def _hold(self, key: CacheKey, found: Found) -> None:
        while found.holder:
            await asyncio.sleep(self._settings.lease / 3)
            await self._try(key, self._store.renew(key, found))

    async def _keep(self, loading: Loading, found: Found, body: bytes, *, empty: bool) -> None:
        if not found.holder or len(body) > self._settings.max_value:
            await self._give_back(loading.key, found)
            return
        ttl = min(loading.ttl, self._settings.negative_ttl) if empty else loading.ttl
        ttl *= 1 - random.uniform(0, self._settings.jitter)  # noqa: S311 - no secret
        kept = ttl if empty else ttl + loading.stale
        writing = self._store.write(loading.key, found, body, fresh=ttl, kept=kept)
        await self._try(loading.key, writing)

    async def _give_back(self, key: CacheKey, found: Found) -> None:
        if found.holder:
            await self._try(key, self._store.release(key, found))

    async def _try(self, key: CacheKey, order: Awaitable[None]) -> None:
        try:
            await order
        except ConnectionError:
            self._metrics.count(key.namespace, "error")


def _deadline() -> float:
    request = context.current()
    return float("inf") if request is None or request.deadline is None else request.deadline
