"""The faults, one every two seconds, in turn."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

from chassis_core.testing.servers import execute

from bench.orders_chaos.stack import Stack

EVERY = 2.0
"""Seconds from one fault to the next."""
_TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
Fault = Callable[[Stack, int], Awaitable[None]]


async def kill_postgresql(stack: Stack, _: int) -> None:
    """Kill PostgreSQL with all its processes, and start it again."""
    await asyncio.to_thread(stack.postgres.restart)


async def end_connections(stack: Stack, _: int) -> None:
    """Have PostgreSQL end every connection."""
    await asyncio.to_thread(execute, stack.postgres.url, _TERMINATE)


async def kill_orders(stack: Stack, turn: int) -> None:
    """Kill one instance of orders, each in its turn, and start it again."""
    instance = stack.orders[turn % len(stack.orders)]
    instance.kill()
    instance.start()
    await instance.ready()


async def kill_redis(stack: Stack, _: int) -> None:
    """Kill Redis, and start it again half a second later."""
    await asyncio.to_thread(stack.redis.kill)
    await asyncio.sleep(EVERY / 4)
    await asyncio.to_thread(stack.redis.start)


FAULTS: tuple[Fault, ...] = (kill_postgresql, end_connections, kill_orders, kill_redis)


async def inject(stack: Stack, kills: int) -> dict[str, int]:
    """Inject every fault `kills` times, and return how often each was."""
    done = dict.fromkeys((fault.__name__ for fault in FAULTS), 0)
    async with asyncio.TaskGroup() as recovering:
        for turn, fault in itertools.product(range(kills), FAULTS):
            await asyncio.sleep(EVERY)
            recovering.create_task(fault(stack, turn))
            done[fault.__name__] += 1
    return done
