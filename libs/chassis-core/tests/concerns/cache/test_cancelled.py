"""Readers that go away in the middle of a read, through a network that takes its time."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from chassis_core.concerns.cache import CacheSettings, RedisStore
from chassis_core.concerns.cache.cache import Cache
from chassis_core.concerns.redis import Redis, RedisSettings
from chassis_core.testing import Proxy, Telemetry

READS, USERS, AT_ONCE = 10_000, 200, 100


@pytest.fixture
async def proxy(redis_url: str) -> AsyncIterator[Proxy]:
    async with Proxy(urlsplit(redis_url).port or 6379) as proxy:
        yield proxy


@pytest.fixture
async def redis(proxy: Proxy, telemetry: Telemetry) -> AsyncIterator[Redis]:
    url = f"redis://127.0.0.1:{proxy.port}"
    redis = Redis(RedisSettings(url=url, timeout=30), registry=telemetry.registry)  # type: ignore[arg-type]
    await redis.open()
    yield redis
    await redis.aclose()


@pytest.fixture
async def values(redis: Redis) -> AsyncIterator[Cache]:
    values = Cache(CacheSettings(), store=RedisStore(redis, service="svc", lease=600))
    yield values
    await values.aclose()


async def read(values: Cache, user: int) -> str:
    async def load() -> str:
        return f"value of {user}"

    return await values.get_or_set(f"user-{user}", 3600, str, load, namespace="n")


async def test_ten_thousand_reads_of_which_many_are_cancelled_never_see_anothers_value(
    values: Cache, redis: Redis, proxy: Proxy, telemetry: Telemetry
) -> None:
    for user in range(USERS):
        await read(values, user)
    chance = random.Random(2023)
    proxy.delay = 0.004
    cross = cancelled = 0

    async def reader(reads: int) -> None:
        nonlocal cross, cancelled
        for _ in range(reads):
            user = chance.randrange(USERS)
            task = asyncio.create_task(read(values, user))
            if chance.random() < 0.3:
                await asyncio.sleep(chance.uniform(0, 0.012))
                task.cancel()
            with suppress(asyncio.CancelledError):
                cross += await task != f"value of {user}"
            cancelled += task.cancelled()

    await asyncio.gather(*(reader(READS // AT_ONCE) for _ in range(AT_ONCE)))
    print(f"{cross} cross values in {READS} reads, {cancelled} of them cancelled")
    assert cross == 0
    assert cancelled > READS / 20
    assert not redis.down


async def test_a_reader_that_goes_during_its_read_leaves_no_lease_behind(
    values: Cache, proxy: Proxy
) -> None:
    await read(values, 0)
    proxy.delay = 0.2
    gone = asyncio.create_task(read(values, 1))
    await asyncio.sleep(0.1)  # its question is on the way, and will win the lease
    gone.cancel()
    with suppress(asyncio.CancelledError):
        await gone
    # The lease would hold for ten minutes.
    assert await asyncio.wait_for(read(values, 1), 10) == "value of 1"
