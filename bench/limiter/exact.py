"""Processes that share one key: what they admit together is the limit, not one more."""

import asyncio
import multiprocessing
import time
from typing import Any

from chassis_core.concerns.rate_limit import Policy, RedisLimiter
from chassis_core.concerns.redis import Redis, RedisSettings
from pydantic import SecretStr

PROCESSES, CLIENTS, LIMIT = 4, 64, 100


def exact(url: str, *, repetitions: int) -> list[int]:
    """Return what four processes of 64 clients admit together, once for each repetition.

    The wall clocks of the processes are an hour apart.
    """
    context = multiprocessing.get_context("spawn")
    queue, barrier = context.Queue(), context.Barrier(PROCESSES)
    workers = [
        context.Process(target=_work, args=(url, n, repetitions, barrier, queue))
        for n in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    counts = [queue.get(timeout=300) for _ in workers]
    for worker in workers:
        worker.join()
    return [sum(each) for each in zip(*counts, strict=True)]


def _work(url: str, number: int, repetitions: int, barrier: Any, queue: Any) -> None:
    real = time.time
    time.time = lambda: real() + 3600 * number  # type: ignore[assignment]
    queue.put(asyncio.run(_admitted(url, repetitions, barrier)))


async def _admitted(url: str, repetitions: int, barrier: Any) -> list[int]:
    settings = RedisSettings(url=SecretStr(url), timeout=30, max_connections=CLIENTS)
    store = Redis(settings)
    await store.open()
    limiter, policy = RedisLimiter(store), Policy.of("exact", LIMIT, 86_400)

    async def client(key: str) -> int:
        return sum([(await limiter.hit([policy], key))[0].allowed for _ in range(2)])

    counts = []
    for repetition in range(repetitions):
        await asyncio.to_thread(barrier.wait)
        key = f"key-{repetition}"
        counts.append(sum(await asyncio.gather(*(client(key) for _ in range(CLIENTS)))))
    await store.aclose()
    return counts
