import asyncio
import multiprocessing
from typing import Any

import pytest
from chassis_core.concerns.cache import CacheSettings, RedisStore
from chassis_core.concerns.cache.cache import Cache
from chassis_core.concerns.cache.shapes import short
from chassis_core.concerns.cache.store import CacheKey
from chassis_core.concerns.redis import Redis, RedisSettings
from chassis_core.testing import Telemetry
from chassis_core.testing.servers import RedisServer

pytestmark = pytest.mark.alone


def shared(
    url: str, telemetry: Telemetry | None = None, *, timeout: float = 5, lease: float = 600
) -> tuple[Redis, Cache]:
    redis = Redis(RedisSettings(url=url, timeout=timeout, recheck=0.2))  # type: ignore[arg-type]
    registry = telemetry.registry if telemetry else None
    store = RedisStore(redis, service="svc", lease=lease)
    return redis, Cache(CacheSettings(lease=lease), store=store, registry=registry)


def _miss(url: str | None, barrier: Any, queue: Any) -> None:
    loads = 0

    async def load() -> str:
        nonlocal loads
        loads += 1
        await asyncio.sleep(0.3)
        return "value"

    async def run() -> list[str]:
        redis, values = shared(url) if url else (None, Cache(CacheSettings()))
        if redis:
            await redis.open()
        barrier.wait()
        answers = await asyncio.gather(
            *(values.get_or_set("hot", 60, str, load) for _ in range(50))
        )
        await values.aclose()
        if redis:
            await redis.aclose()
        return answers

    queue.put((set(asyncio.run(run())), loads))


@pytest.mark.parametrize("store, most", [("redis", 1), ("memory", 4)])
def test_two_hundred_misses_of_four_processes_cause_one_load_or_one_in_each(
    request: pytest.FixtureRequest, store: str, most: int
) -> None:
    url = request.getfixturevalue("redis_url") if store == "redis" else None
    context = multiprocessing.get_context("spawn")
    queue, barrier = context.Queue(), context.Barrier(4)
    workers = [context.Process(target=_miss, args=(url, barrier, queue)) for _ in range(4)]
    for worker in workers:
        worker.start()
    results = [queue.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    loads = sum(loads for _, loads in results)
    print(f"200 misses in 4 processes, {store}: {loads} loads")
    assert [answers for answers, _ in results] == [{"value"}] * 4
    assert loads == most


async def test_an_invalidation_of_one_replica_holds_for_the_others(redis_url: str) -> None:
    redis, one = shared(redis_url)
    other_redis, other = shared(redis_url)
    answers = []
    for value in ("first", "second", "third"):

        async def load(value: str = value) -> str:
            return value

        answers.append(await one.get_or_set("k", 60, str, load, namespace="n"))
        await other.invalidate("n", "k" if value == "first" else None)
    assert answers == ["first", "second", "third"]
    await redis.aclose()
    await other_redis.aclose()


async def test_a_load_that_takes_longer_than_the_lease_is_still_the_only_one(
    redis_url: str,
) -> None:
    loads = 0

    async def load() -> str:
        nonlocal loads
        loads += 1
        await asyncio.sleep(2)
        return "value"

    replicas = [shared(redis_url, lease=0.5) for _ in range(2)]
    for redis, _ in replicas:
        await redis.open()
    reads = [values.get_or_set("slow", 60, str, load) for _, values in replicas for _ in range(9)]
    assert set(await asyncio.gather(*reads)) == {"value"}
    assert loads == 1
    for redis, values in replicas:
        await values.aclose()
        await redis.aclose()


async def test_a_load_whose_process_was_killed_holds_the_others_up_for_one_lease(
    redis_url: str,
) -> None:
    async def load() -> str:
        return "value"

    redis, values = shared(redis_url, lease=0.5)
    await redis.open()
    gone = RedisStore(redis, service="svc", lease=0.5)
    _, schema = values._shapes.of(str)
    at = CacheKey("", schema, short("k"))
    assert (await gone.read(at, "of the dead")).holder == "of the dead"
    async with asyncio.timeout(20):
        assert await values.get_or_set("k", 60, str, load) == "value"
    await values.aclose()
    await redis.aclose()


async def test_the_lease_of_a_load_that_was_invalidated_holds_nobody_up(redis_url: str) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def load() -> str:
        begun.set()
        await go_on.wait()
        return "old"

    async def load_anew() -> str:
        return "new"

    redis, values = shared(redis_url, lease=0.3)
    await redis.open()
    old = asyncio.create_task(values.get_or_set("k", 60, str, load))
    await begun.wait()
    await values.invalidate("", "k")
    await asyncio.sleep(0.5)  # the old load has renewed its lease by now
    async with asyncio.timeout(20):
        assert await values.get_or_set("k", 60, str, load_anew) == "new"
    go_on.set()
    assert await old == "old"
    assert await values.get_or_set("k", 60, str, load) == "new"
    await values.aclose()
    await redis.aclose()


async def test_a_generation_that_redis_evicted_does_not_bring_old_values_back(
    redis_url: str,
) -> None:
    redis, values = shared(redis_url)

    async def load(value: str) -> str:
        return value

    await values.get_or_set("k", 60, str, lambda: load("old"), namespace="n")
    await values.invalidate("n")
    await redis.execute("DEL", "{svc:cache:n}:generation")
    assert await values.get_or_set("k", 60, str, lambda: load("new"), namespace="n") == "new"
    await redis.aclose()


async def test_keys_name_the_service_the_schema_and_the_generation_and_all_values_expire(
    redis_url: str,
) -> None:
    redis, values = shared(redis_url)

    async def load() -> str:
        return "value"

    await values.get_or_set("k", 60, str, load, namespace="n")
    keys = [key.decode() for key in await redis.execute("KEYS", "*")]
    assert all(key.startswith("{svc:cache:n}:") for key in keys)
    (entry,) = (key for key in keys if key.endswith(":k"))
    assert 0 < await redis.execute("PTTL", entry) <= 90_000
    await redis.aclose()


@pytest.mark.parametrize("fault", ["kill", "pause"])
async def test_without_redis_every_answer_is_computed_and_none_fails(
    fault: str, own_redis: RedisServer, telemetry: Telemetry
) -> None:
    redis, values = shared(own_redis.url, telemetry, timeout=0.1)
    loads = 0

    async def load() -> str:
        nonlocal loads
        loads += 1
        return "value"

    await values.get_or_set("k", 60, str, load, namespace="n")
    getattr(own_redis, fault)()
    answers = [await values.get_or_set("k", 60, str, load, namespace="n") for _ in range(20)]
    await values.aclose()
    await redis.aclose()
    assert answers == ["value"] * 20
    assert loads == 21
    assert telemetry.sample("cache_requests_total", namespace="n", outcome="error") == 20


async def test_an_invalidation_during_an_outage_is_done_before_the_next_read(
    own_redis: RedisServer,
) -> None:
    redis, values = shared(own_redis.url, timeout=0.1)
    current = "old"

    async def load() -> str:
        return current

    assert await values.get_or_set("k", 60, str, load, namespace="n") == "old"
    own_redis.pause()
    current = "new"
    await values.invalidate("n", "k")
    own_redis.resume()
    async with asyncio.timeout(5):
        while True:
            assert await values.get_or_set("k", 60, str, load, namespace="n") == "new"
            if not redis.down:
                break
            await asyncio.sleep(0.02)
    assert await values.get_or_set("k", 60, str, load, namespace="n") == "new"
    await values.aclose()
    await redis.aclose()
