"""Loads in flight: one for a key, whoever and wherever asks."""

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
from chassis_core.concerns.cache.store import CacheStore, Found, Place

log = logging.getLogger(__name__)

POLL = 0.02
"""Seconds between looks at a value that another process loads."""
HURRY = 0.1
"""Seconds before its deadline from which on a load may give up for lack of time."""


class Load(NamedTuple):
    """What is loaded, and for how long it is good."""

    place: Place
    adapter: TypeAdapter[Any]
    loader: Callable[[], Awaitable[Any]]
    ttl: float
    stale: float


class Flight(NamedTuple):
    """A load under way, and the deadline of the request that started it."""

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
        read: Callable[[Place, str], Awaitable[Found]],
        metrics: CacheMetrics,
    ) -> None:
        self._settings = settings
        self._store = store
        self._read = read
        self._metrics = metrics
        self._flights: dict[tuple[Place, str, str], Flight] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def join(self, load: Load, found: Found, token: str) -> Flight:
        """Return the load of a value: the one in flight, or a new one."""
        key = (load.place, found.generation, found.owner)
        # The owner of the lease always loads: whoever came before it waits for its value.
        if found.owner != token and (waiting := self._flights.get(key)) is not None:
            self._metrics.count(load.place.namespace, "wait")
            return waiting
        task = self._start(self._land(load, found, token))
        flight = self._flights[key] = Flight(task, _deadline())
        task.add_done_callback(lambda done: self._landed(key, done))
        return flight

    def abandon(self, place: Place, token: str) -> None:
        """Give back the lease of a reader that has gone, if its question had won one."""
        self._start(self._release(place, token))

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

    def _landed(self, key: tuple[Place, str, str], task: asyncio.Task[bytes]) -> None:
        if (flight := self._flights.get(key)) is not None and flight.task is task:
            del self._flights[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("cache_load_failed", extra={"reason": repr(error)})

    async def _release(self, place: Place, token: str) -> None:
        found = await self._read(place, token)
        if found.owner == token:
            await self._give_back(place, found)

    async def _land(self, load: Load, found: Found, token: str) -> bytes:
        while found.owner not in {token, ""}:
            await asyncio.sleep(POLL)
            found = await self._read(load.place, token)
            if found.body is not None:
                self._metrics.count(load.place.namespace, "wait")
                return found.body
        self._metrics.count(load.place.namespace, "miss")
        holding = self._start(self._hold(load.place, found))
        try:
            value = await load.loader()
            body = load.adapter.dump_json(value)
        except BaseException:
            await self._give_back(load.place, found)
            raise
        finally:
            holding.cancel()
        await self._keep(load, found, body, empty=value is None)
        return body

    async def _hold(self, place: Place, found: Found) -> None:
        while found.owner:
            await asyncio.sleep(self._settings.lease / 3)
            await self._try(place, self._store.renew(place, found))

    async def _keep(self, load: Load, found: Found, body: bytes, *, empty: bool) -> None:
        if not found.owner or len(body) > self._settings.max_value:
            await self._give_back(load.place, found)
            return
        ttl = min(load.ttl, self._settings.negative_ttl) if empty else load.ttl
        ttl *= 1 - random.uniform(0, self._settings.jitter)  # noqa: S311 - no secret
        kept = ttl if empty else ttl + load.stale
        writing = self._store.write(load.place, found, body, fresh=ttl, kept=kept)
        await self._try(load.place, writing)

    async def _give_back(self, place: Place, found: Found) -> None:
        if found.owner:
            await self._try(place, self._store.release(place, found))

    async def _try(self, place: Place, order: Awaitable[None]) -> None:
        try:
            await order
        except ConnectionError:
            self._metrics.count(place.namespace, "error")


def _deadline() -> float:
    request = context.current()
    return float("inf") if request is None or request.deadline is None else request.deadline
