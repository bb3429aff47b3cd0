"""The concern that opens and closes the Redis client of an app."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from chassis_core.concern import Concern
from chassis_core.concerns.redis.client import Redis
from chassis_core.concerns.redis.diagnosis import diagnose
from chassis_core.concerns.redis.settings import RedisSettings


def redis(settings: RedisSettings, *, store: Redis | None = None) -> Concern:
    """Return the concern that opens and closes the Redis client; a service lives without it."""
    store = store or Redis(settings)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[Mapping[str, Any]]:
        try:
            await store.open()
            yield {"redis": store}
        finally:
            await store.aclose()

    return Concern(
        name="redis",
        lifespan=lifespan,
        ready=None if store.client is None else store.ping,
        optional=True,
        diagnose=None if store.client is None else partial(diagnose, settings),
    )
