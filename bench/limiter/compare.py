"""Ours beside the `limits` library: time a hit, and what passes at the edge of a window."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from chassis_core.concerns.rate_limit import MemoryLimiter, Policy, RedisLimiter
from chassis_core.concerns.redis import Redis, RedisSettings
from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import (
    FixedWindowRateLimiter,
    MovingWindowRateLimiter,
    RateLimiter,
    SlidingWindowCounterRateLimiter,
)
from pydantic import SecretStr

from bench.limiter.bound import Hit, worst_excess

Take = Callable[[str], Awaitable[bool]]
STRATEGIES: dict[str, type[RateLimiter]] = {
    "limits fixed": FixedWindowRateLimiter,
    "limits moving": MovingWindowRateLimiter,
    "limits sliding": SlidingWindowCounterRateLimiter,
}
LIMIT, WINDOW = 50, 2


async def speed(url: str, *, hits: int, keys: int) -> dict[str, dict[str, float]]:
    """Return microseconds a hit of each limiter, with `keys` keys known in memory."""
    redis = Redis(RedisSettings(url=SecretStr(url), timeout=30))
    results: dict[str, dict[str, float]] = {}
    for name, (memory, shared) in _limiters(url, redis, limit=1_000_000, window=3600).items():
        for number in range(keys):
            await memory(f"key-{number}")
        results[name] = {
            "memory": await _each(memory, hits),
            "redis": await _each(shared, hits),
        }
    await redis.aclose()
    return results


async def _each(take: Take, hits: int) -> float:
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(hits):
            await take("key-0")
        best = min(best, (time.perf_counter() - start) / hits)
    return best * 1e6


async def edge(url: str) -> dict[str, float]:
    """Return the worst excess of each limiter on Redis, over a burst at the edge of a window."""
    redis = Redis(RedisSettings(url=SecretStr(url), timeout=30))
    results = {}
    for name, (_, take) in _limiters(url, redis, limit=LIMIT, window=WINDOW).items():
        hits: list[Hit] = []
        await _one(take, name, hits)
        await asyncio.sleep(WINDOW - 0.2)
        end = time.monotonic() + 0.6
        while time.monotonic() < end:
            await _one(take, name, hits)
        results[name] = worst_excess(hits, burst=LIMIT, rate=LIMIT / WINDOW)
    await redis.aclose()
    return results


async def _one(take: Take, key: str, hits: list[Hit]) -> None:
    sent = time.monotonic()
    status = 200 if await take(key) else 429
    hits.append(Hit(sent, time.monotonic(), status))


def _limiters(url: str, redis: Redis, *, limit: int, window: int) -> dict[str, tuple[Take, Take]]:
    policy, local, remote = (
        Policy.of("p", limit, window),
        MemoryLimiter(max_keys=100_000),
        RedisLimiter(redis),
    )

    async def memory(key: str) -> bool:
        return local.hit([policy], key)[0].allowed

    async def shared(key: str) -> bool:
        return (await remote.hit([policy], key))[0].allowed

    item = RateLimitItemPerSecond(limit, window)

    def theirs(strategy: type[RateLimiter], storage: Storage) -> Take:
        limiter = strategy(storage)

        async def take(key: str) -> bool:
            allowed = await limiter.hit(item, strategy.__name__, key)
            await limiter.get_window_stats(item, strategy.__name__, key)  # for the headers
            return allowed

        return take

    found = {"ours": (memory, shared)}
    for name, strategy in STRATEGIES.items():
        there = RedisStorage(f"async+{url}", implementation="redispy")
        found[name] = (theirs(strategy, MemoryStorage()), theirs(strategy, there))
    return found
