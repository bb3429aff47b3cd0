"""Many keys: what they cost in a process and on Redis, and that they go away."""

import asyncio
import os
import time
from typing import NamedTuple

from chassis_core.concerns.rate_limit import MemoryLimiter, Policy, RedisLimiter
from chassis_core.concerns.redis import Redis, RedisSettings
from pydantic import SecretStr

from bench.instance import resident

BLOCKS = 20
WINDOW = 2
"""Seconds of the window after two of which no key may be left."""


class InProcess(NamedTuple):
    """Distinct keys in one process.

    Attributes:
        early: microseconds a hit, when the first keys had filled the limiter.
        late: the same for the last keys.
        grown: MiB that the process grew by.
        kept: keys at the end.
    """

    early: float
    late: float
    grown: float
    kept: int


def in_process(count: int, *, max_keys: int) -> InProcess:
    """Hit `count` keys once each."""
    limiter, policy = MemoryLimiter(max_keys=max_keys), Policy.of("keys", 5, 3600)
    before, times = resident(os.getpid()), []
    for block in range(BLOCKS):
        keys = [f"ip:{number}" for number in range(block, count, BLOCKS)]
        start = time.perf_counter()
        for key in keys:
            limiter.hit([policy], key)
        times.append((time.perf_counter() - start) / len(keys) * 1e6)
    grown = (resident(os.getpid()) - before) / 2**20
    full = times[max(1, BLOCKS * max_keys // count + 1) :]
    return InProcess(min(full[:3]), min(full[-3:]), grown, len(limiter))


class OnRedis(NamedTuple):
    """Distinct keys on Redis.

    Attributes:
        keys: that there are after each was hit.
        size: bytes of one, as Redis counts.
        left: keys after two windows.
    """

    keys: int
    size: int
    left: int


async def on_redis(url: str, count: int) -> OnRedis:
    """Hit `count` keys once each, then let two windows pass."""
    store = Redis(RedisSettings(url=SecretStr(url), timeout=30))
    await store.execute("FLUSHDB")
    # One unit comes back after the whole window: the longest that a key may live.
    limiter, policy = RedisLimiter(store, prefix="svc:limit"), Policy.of("keys", 1, 60)
    gate = asyncio.Semaphore(40)

    async def hit(number: int) -> None:
        async with gate:
            await limiter.hit([policy], f"ip:10.{number >> 16}.{number >> 8 & 255}.{number & 255}")

    await asyncio.gather(*(hit(number) for number in range(count)))
    keys = await store.execute("DBSIZE")
    size = await store.execute("MEMORY", "USAGE", "svc:limit:{ip:10.0.0.1}:keys")
    await store.execute("FLUSHDB")
    short = Policy.of("keys", 1, WINDOW)
    for number in range(100):
        await limiter.hit([short], f"ip:{number}")
    await asyncio.sleep(2 * WINDOW)
    left = len(await store.execute("KEYS", "*"))
    await store.aclose()
    return OnRedis(keys, size, left)
