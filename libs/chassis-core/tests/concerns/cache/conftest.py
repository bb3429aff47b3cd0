from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from chassis_core.concerns.cache import CacheSettings, RedisStore
from chassis_core.concerns.cache.cache import Cache
from chassis_core.concerns.redis import Redis, RedisSettings
from chassis_core.testing import Telemetry


@pytest.fixture(params=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> str | None:
    """Of a Redis, or None: the tests of this folder run on both kinds of store."""
    return request.getfixturevalue("redis_url") if request.param == "redis" else None


@pytest.fixture
async def make(url: str | None, telemetry: Telemetry) -> AsyncIterator[Callable[..., Cache]]:
    """Makes caches: of one process each, or of one shared Redis."""
    made: list[Cache] = []
    redis = Redis(RedisSettings(url=url, timeout=5))  # type: ignore[arg-type]

    def build(**settings: Any) -> Cache:
        registry = telemetry.registry if not made else None
        shared = RedisStore(redis, service="svc", lease=600) if url else None
        made.append(Cache(CacheSettings(**settings), store=shared, registry=registry))
        return made[-1]

    yield build
    for one in made:
        await one.aclose()
    await redis.aclose()
