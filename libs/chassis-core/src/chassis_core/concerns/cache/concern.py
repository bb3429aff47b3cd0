"""The dependency that gives a route the cache, and the concern that makes it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry, Gauge

from chassis_core.concern import Concern, Service
from chassis_core.concerns.cache.cache import Cache as Values
from chassis_core.concerns.cache.settings import CacheSettings
from chassis_core.concerns.cache.shared import Redis, RedisStore
from chassis_core.concerns.cache.store import MemoryStore


async def get_cache(request: Request) -> Values:
    """Return the cache of the app."""
    cache: Values = request.state.cache
    return cache


Cache = Annotated[Values, Depends(get_cache)]
"""The cache, as a route's parameter: `await cache.get_or_set(key, ttl, Type, loader)`."""


def cache(
    settings: CacheSettings,
    *,
    service: Service | None = None,
    registry: CollectorRegistry | None = None,
    store: Redis | None = None,
) -> Concern:
    """Return the concern of the cache: on Redis where `store` has one, else in this process."""

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[Mapping[str, Any]]:
        try:
            yield {"cache": values}
        finally:
            await values.aclose()

    name = service.name if service else "service"
    if store is not None and store.client is not None:
        shared = RedisStore(store, service=name, lease=settings.lease)
        values = Values(settings, store=shared, registry=registry)
    else:
        memory = MemoryStore(settings)
        values = Values(settings, store=memory, registry=registry)
        _watch(memory, registry)
    return Concern(name="cache", lifespan=lifespan)


def _watch(memory: MemoryStore, registry: CollectorRegistry | None) -> None:
    entries = Gauge("cache_entries", "Values kept in this process.", registry=registry)
    entries.set_function(lambda: len(memory))
    size = Gauge("cache_bytes", "Bytes of the values in this process.", registry=registry)
    size.set_function(lambda: memory.bytes)
