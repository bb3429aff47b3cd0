"""The cache: what its users call."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from chassis_core.concerns.cache.flights import Flights, Loading
from chassis_core.concerns.cache.metrics import CacheMetrics
from chassis_core.concerns.cache.settings import CacheSettings
from chassis_core.concerns.cache.shapes import Shapes, short
from chassis_core.concerns.cache.store import CacheKey, CacheStore, Found, MemoryStore
from chassis_core.problem import GatewayTimeout

T = TypeVar("T")
Loader = Callable[[], Awaitable[T]]

MOST_OWED = 1000
"""Invalidations put off in an outage; beyond them the whole namespace is dropped instead."""


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
        self._store = MemoryStore(settings) if store is None else store
        self._shapes = Shapes()
        self._metrics = CacheMetrics(registry)
        self._flights = Flights(settings, store=self._store, read=self._read, metrics=self._metrics)
        self._owed: set[tuple[str, str | None]] = set()

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
        adapter, schema = self._shapes.of(type)
        at = CacheKey(namespace, schema, short(key))
        ttl = self._settings.default_ttl if ttl is None else min(ttl, 86_400)
        kept = self._settings.stale if stale is None else min(stale, 86_400)
        loading = Loading(at, adapter, loader, ttl, kept)
        token = secrets.token_hex(8)
        found = await self._ask(at, token)
        if found.body is not None:
            try:
                value: T = adapter.validate_json(found.body)
            except ValidationError:
                self._metrics.count(namespace, "error")
                await self.invalidate(namespace, key)
                found = await self._ask(at, token)
            else:
                if found.holder == token:
                    self._flights.join(loading, found, token)
                self._metrics.count(namespace, "hit" if found.fresh else "stale")
                return value
        loaded: T = adapter.validate_json(await self._loaded(loading, found, token))
        return loaded

    async def invalidate(self, namespace: str, key: str | None = None) -> None:
        """Drop a key, or a whole namespace; no old value is given out once this returns.

        While the store fails this is put off until it answers again, ahead of any read here.
        """
        whole = key is None or len(self._owed) >= MOST_OWED
        self._owed.add((namespace, None if whole else short(str(key))))
        try:
            await self._settle()
        except ConnectionError:
            self._metrics.count(namespace, "error")

    async def aclose(self) -> None:
        """Stop the loads in flight."""
        await self._flights.aclose()

    async def _loaded(self, loading: Loading, found: Found, token: str) -> bytes:
        while found.body is None:
            flight = self._flights.join(loading, found, token)
            try:
                return await asyncio.shield(flight.task)
            except GatewayTimeout:
                # Else one who asks with little time could fail all who ask at the same moment.
                if not flight.was_hurried():
                    raise
            found = await self._ask(loading.key, token)
        return found.body

    async def _ask(self, key: CacheKey, token: str) -> Found:
        try:
            return await self._read(key, token)
        except asyncio.CancelledError:
            self._flights.abandon(key, token)
            raise

    async def _read(self, key: CacheKey, token: str) -> Found:
        try:
            await self._settle()
            return await self._store.read(key, token)
        except ConnectionError:
            self._metrics.count(key.namespace, "error")
            return Found(None, fresh=False)

    async def _settle(self) -> None:
        for owed in list(self._owed):
            await self._store.forget(*owed)
            self._owed.discard(owed)
