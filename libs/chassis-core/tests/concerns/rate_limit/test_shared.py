import asyncio
import multiprocessing
from collections.abc import AsyncIterator

import pytest
from chassis_core.concerns.rate_limit import MemoryLimiter, Policy, RedisLimiter
from chassis_core.concerns.rate_limit.policy import SECOND
from chassis_core.concerns.redis import Redis, RedisSettings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.alone

TEST_CLOCK = "local now = tonumber(redis.call('GET', 'now'))"


def patient(url: str) -> RedisSettings:
    return RedisSettings(url=url, timeout=5)  # type: ignore[arg-type]


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Redis]:
    redis = Redis(patient(redis_url))
    yield redis
    await redis.aclose()


policies = st.lists(
    st.builds(
        lambda name, limit, seconds: Policy.of(f"p{name}", limit, seconds),
        st.integers(0, 2),
        st.integers(1, 7),
        st.sampled_from([1, 2, 7, 60]),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda policy: policy.name,
)
steps = st.lists(
    st.tuples(st.integers(0, 3 * SECOND), st.sampled_from("ab"), st.integers(0, 8)),
    min_size=1,
    max_size=30,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(policies=policies, steps=steps)
def test_memory_and_redis_give_the_same_answers_to_the_same_timed_input(
    redis_url: str, policies: list[Policy], steps: list[tuple[int, str, int]]
) -> None:
    async def compare() -> None:
        store = Redis(patient(redis_url))
        try:
            await store.execute("FLUSHDB")
            now = 1_790_000_000 * SECOND
            memory = MemoryLimiter(max_keys=100, clock=lambda: now)
            shared = RedisLimiter(store, clock=TEST_CLOCK)
            for pause, key, cost in steps:
                now += pause
                await store.execute("SET", "now", now)
                assert await shared.hit(policies, key, cost) == memory.hit(policies, key, cost)
        finally:
            await store.aclose()

    asyncio.run(compare())


async def test_a_decision_is_one_round_trip_even_for_several_policies(store: Redis) -> None:
    limiter = RedisLimiter(store)
    both = [Policy.of("a", 5, 60), Policy.of("b", 50, 3600)]
    await limiter.hit(both, "key")
    before = await commands(store)
    for _ in range(10):
        await limiter.hit(both, "key")
    assert await commands(store) - before == 11  # ten decisions and the question itself


async def commands(store: Redis) -> int:
    statistics = await store.execute("INFO", "commandstats")
    counts = {name: each["calls"] for name, each in statistics.items()}
    sent = ("cmdstat_evalsha", "cmdstat_eval", "cmdstat_info", "cmdstat_script|load")
    return sum(counts.get(name, 0) for name in sent)


async def test_the_script_is_sent_again_when_redis_has_forgotten_it(store: Redis) -> None:
    limiter = RedisLimiter(store)
    policy = Policy.of("p", 5, 60)
    await limiter.hit([policy], "key")
    await store.execute("SCRIPT", "FLUSH")
    (decision,) = await limiter.hit([policy], "key")
    assert decision.remaining == 3
    assert not store.down


async def test_keys_expire_with_the_quota_that_they_record(store: Redis) -> None:
    await RedisLimiter(store, prefix="svc:limit").hit([Policy.of("p", 5, 60)], "ip:1")
    (key,) = await store.execute("KEYS", "*")
    assert key == b"svc:limit:{ip:1}:p"
    assert 11_000 < await store.execute("PTTL", key) <= 12_000


def _flood(url: str, hits: int, queue: "multiprocessing.Queue[int]") -> None:
    async def run() -> int:
        store = Redis(patient(url))
        limiter = RedisLimiter(store)
        policy = Policy.of("p", 100, 3600)
        gate = asyncio.Semaphore(16)

        async def one() -> int:
            async with gate:
                return int((await limiter.hit([policy], "shared"))[0].allowed)

        admitted = sum(await asyncio.gather(*(one() for _ in range(hits))))
        await store.aclose()
        return admitted

    queue.put(asyncio.run(run()))


def test_processes_that_share_a_key_admit_the_limit_exactly(redis_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    workers = [context.Process(target=_flood, args=(redis_url, 100, queue)) for _ in range(2)]
    for worker in workers:
        worker.start()
    admitted = [queue.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert sum(admitted) == 100
