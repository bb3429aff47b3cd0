"""The cache: one load at a time for a key, whoever and wherever asks."""

import asyncio
import hashlib
import logging
import random
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

from prometheus_client import CollectorRegistry, Counter
from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema

from chassis_core.concerns.cache.settings import CacheSettings
from chassis_core.concerns.cache.store import CacheStore, Found, MemoryStore, Place

log = logging.getLogger(__name__)
T = TypeVar("T")
Loader = Callable[[], Awaitable[T]]

LONGEST_KEY = 200
NAMESPACES = 100
"""Namespaces that have a label of their own in the metrics."""
MOST_OWED = 1000
"""Invalidations put off in an outage; beyond them the whole namespace is dropped instead."""
POLL = 0.02
"""Seconds between looks at a value that another process loads."""


class _Load(NamedTuple):
    place: Place
    adapter: TypeAdapter[Any]
    loader: Loader[Any]
    ttl: float
    stale: float


class Cache:
    """Values that were computed once, kept as JSON, and shared by all who ask.

    While its store fails every read is a miss and nothing is kept. A loader may outlive the
    request that started it and answers for all who ask at the time: it must not use that request's
    session, and a value that depends on the caller must have the caller in its key.

    Args:
        settings: how much is kept, and for how long.
        store: where; in this process by default.
        registry: where the metrics go.
    """

    def __init__(
        self,
        settings: CacheSettings,
        *,
        store: CacheStore | None = None,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._settings = settings
        self._store = in_process(settings) if store is None else store
        self._adapters: dict[Any, tuple[TypeAdapter[Any], str]] = {}
        self._flights: dict[tuple[Place, str, str], asyncio.Task[bytes]] = {}
        self._tasks: set[asyncio.Task[bytes]] = set()
        self._owed: set[tuple[str, str | None]] = set()
        self._labels: set[str] = set()
        self._requests = Counter(
            "cache_requests_total",
            "Reads: hit, stale, miss (loaded it), wait (for another's load), error (no store).",
            ["namespace", "outcome"],
            registry=registry,
        )

    async def get_or_set(
        self,
        key: str,
        ttl: float | None,
        type: Any,  # noqa: A002 - what the caller calls it
        loader: Loader[T],
        *,
        namespace: str = "",
        stale: float | None = None,
    ) -> T:
        """Return the value of `key`, loading it if there is none.

        Args:
            key: within the namespace and the type's schema.
            ttl: seconds it is fresh, at most a day; None for the default.
            type: of the value, for pydantic.
            loader: makes the value. None is kept for the shorter `negative_ttl`.
            namespace: what is invalidated together; a name from the code, never from input.
            stale: seconds after `ttl` in which the old value is given out while it is loaded anew.
        """
        adapter, schema = self._shape(type)
        place = Place(namespace, schema, _short(key))
        ttl = self._settings.default_ttl if ttl is None else min(ttl, 86_400)
        kept = self._settings.stale if stale is None else min(stale, 86_400)
        load = _Load(place, adapter, loader, ttl, kept)
        token = secrets.token_hex(8)
        found = await self._read(place, token)
        if found.body is not None:
            try:
                value: T = adapter.validate_json(found.body)
            except ValidationError:
                self._count(namespace, "error")
                await self.invalidate(namespace, key)
                found = await self._read(place, token)
            else:
                if found.owner == token:
                    self._fly(load, found, token)
                self._count(namespace, "hit" if found.fresh else "stale")
                return value
        loaded: T = adapter.validate_json(await asyncio.shield(self._fly(load, found, token)))
        return loaded

    async def invalidate(self, namespace: str, key: str | None = None) -> None:
        """Drop a key, or a whole namespace; no old value is given out once this returns.

        While the store fails this is put off until it answers again, ahead of any read here.
        """
        whole = key is None or len(self._owed) >= MOST_OWED
        self._owed.add((namespace, None if whole else _short(str(key))))
        try:
            await self._settle()
        except ConnectionError:
            self._count(namespace, "error")

    async def aclose(self) -> None:
        """Stop the loads in flight."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self, place: Place, token: str) -> Found:
        try:
            await self._settle()
            return await self._store.read(place, token)
        except ConnectionError:
            self._count(place.namespace, "error")
            return Found(None, fresh=False)

    async def _settle(self) -> None:
        for owed in list(self._owed):
            await self._store.forget(*owed, secrets.token_hex(8))
            self._owed.discard(owed)

    def _fly(self, load: _Load, found: Found, token: str) -> asyncio.Task[bytes]:
        flight = (load.place, found.generation, found.owner)
        # The owner of the lease always loads: whoever came before it waits for its value.
        if found.owner != token and (waiting := self._flights.get(flight)) is not None:
            self._count(load.place.namespace, "wait")
            return waiting
        task = asyncio.create_task(self._land(load, found, token))
        self._flights[flight] = task
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._landed(flight, done))
        return task

    def _landed(self, flight: tuple[Place, str, str], task: asyncio.Task[bytes]) -> None:
        if self._flights.get(flight) is task:
            del self._flights[flight]
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("cache_load_failed", extra={"reason": repr(error)})

    async def _land(self, load: _Load, found: Found, token: str) -> bytes:
        while found.owner not in {token, ""}:
            await asyncio.sleep(POLL)
            found = await self._read(load.place, token)
            if found.body is not None:
                self._count(load.place.namespace, "wait")
                return found.body
        self._count(load.place.namespace, "miss")
        try:
            value = await load.loader()
            body = load.adapter.dump_json(value)
        except BaseException:
            await self._give_back(load.place, found)
            raise
        await self._keep(load, found, body, empty=value is None)
        return body

    async def _keep(self, load: _Load, found: Found, body: bytes, *, empty: bool) -> None:
        if not found.owner or len(body) > self._settings.max_value:
            await self._give_back(load.place, found)
            return
        ttl = min(load.ttl, self._settings.negative_ttl) if empty else load.ttl
        ttl *= 1 - random.uniform(0, self._settings.jitter)  # noqa: S311 - no secret
        kept = ttl if empty else ttl + load.stale
        try:
            await self._store.write(load.place, found, body, fresh=ttl, kept=kept)
        except ConnectionError:
            self._count(load.place.namespace, "error")

    async def _give_back(self, place: Place, found: Found) -> None:
        if not found.owner:
            return
        try:
            await self._store.release(place, found)
        except ConnectionError:
            self._count(place.namespace, "error")

    def _shape(self, kind: Any) -> tuple[TypeAdapter[Any], str]:
        if kind not in self._adapters:
            adapter: TypeAdapter[Any] = TypeAdapter(kind)
            try:
                schema = str(adapter.json_schema())
            except PydanticInvalidForJsonSchema:
                schema = repr(kind)
            digest = hashlib.blake2b(schema.encode(), digest_size=6).hexdigest()
            self._adapters[kind] = (adapter, digest)
        return self._adapters[kind]

    def _count(self, namespace: str, outcome: str) -> None:
        if namespace not in self._labels and len(self._labels) >= NAMESPACES:
            namespace = "_other"
        self._labels.add(namespace)
        self._requests.labels(namespace, outcome).inc()


def in_process(settings: CacheSettings) -> MemoryStore:
    """Return the store of a process without Redis."""
    return MemoryStore(
        max_entries=settings.max_entries, max_bytes=settings.max_bytes, lease=settings.lease
    )


def _short(key: str) -> str:
    if len(key) <= LONGEST_KEY:
        return key
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=32).hexdigest()
