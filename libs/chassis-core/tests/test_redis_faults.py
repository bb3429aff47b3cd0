"""The whole stack under steady load while its Redis fails, hangs, slows, restarts, forgets."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from chassis_core import Cache, RateLimit, ServiceSettings, create_app
from chassis_core.testing import Proxy, Telemetry, eventually, running
from chassis_core.testing.servers import RedisServer
from fastapi import APIRouter, Depends
from pydantic_settings import SettingsConfigDict

pytestmark = pytest.mark.alone

RATE, PATHS = 100, ("/limited", "/cached", "/closed")
TIMEOUT = 0.3
"""Seconds for Redis: more than the default, for a machine that is busy takes the default itself."""
router = APIRouter()


@router.get("/limited", dependencies=[Depends(RateLimit("100000/hour"))])
async def limited() -> str:
    return "limited"


@router.get("/closed", dependencies=[Depends(RateLimit("100000/hour", on_outage="closed"))])
async def closed() -> str:
    return "closed"


@router.get("/cached", dependencies=[Depends(RateLimit("100000/hour"))])
async def cached(cache: Cache) -> str:
    async def load() -> str:
        return "cached"

    return str(await cache.get_or_set("key", 0.5, str, load, namespace="n"))


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="FAULTS_")
    name: str = "faults"


class Load:
    """Requests at a steady rate, whatever becomes of those before; each is timed from its due."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client
        self.answers: list[tuple[str, int, float]] = []

    async def _one(self, path: str, due: float) -> None:
        answer = await self._client.get(path)
        self.answers.append((path, answer.status_code, time.perf_counter() - due))

    async def run(self, stop: asyncio.Event) -> None:
        start, number = time.perf_counter(), 0
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                due = start + number / RATE
                await asyncio.sleep(max(0, due - time.perf_counter()))
                group.create_task(self._one(PATHS[number % len(PATHS)], time.perf_counter()))
                number += 1

    def statuses(self, path: str) -> Counter[int]:
        return Counter(status for each, status, _ in self.answers if each == path)

    def p99(self) -> float:
        held = sorted(seconds for _, _, seconds in self.answers)
        return held[int(len(held) * 0.99)]


@asynccontextmanager
async def loaded(client: httpx2.AsyncClient) -> AsyncIterator[Load]:
    load, stop = Load(client), asyncio.Event()
    task = asyncio.create_task(load.run(stop))
    try:
        yield load
    finally:
        stop.set()
        await task


@asynccontextmanager
async def serving(own_redis: RedisServer, telemetry: Telemetry) -> AsyncIterator[tuple]:  # type: ignore[type-arg]
    async with Proxy(own_redis.port) as proxy:
        settings = Settings(
            redis={"url": f"redis://127.0.0.1:{proxy.port}", "timeout": TIMEOUT},  # type: ignore[arg-type]
            rate_limit={"default": "100000/second"},  # type: ignore[arg-type]
            # A machine that is busy with other things is not what is tested.
            load={"max_slowdown": 1000},  # type: ignore[arg-type]
        )
        app = create_app(settings, routers=[router], **telemetry.shared())
        async with running(app) as client:
            yield client, proxy


def break_it(fault: str, own_redis: RedisServer, proxy: Proxy) -> None:
    if fault == "slow":
        proxy.delay = 2 * TIMEOUT
    elif fault == "black hole":
        proxy.hold()
    else:
        {"kill": own_redis.kill, "pause": own_redis.pause}[fault]()


def mend(fault: str, own_redis: RedisServer, proxy: Proxy) -> None:
    proxy.heal()
    if fault in {"kill", "pause"}:
        {"kill": own_redis.start, "pause": own_redis.resume}[fault]()


@pytest.mark.parametrize("fault", ["kill", "pause", "slow", "black hole"])
async def test_no_request_fails_or_waits_while_redis_is(
    fault: str, own_redis: RedisServer, telemetry: Telemetry
) -> None:
    async with serving(own_redis, telemetry) as (client, proxy):

        async def shared() -> bool:
            return (await client.get("/closed")).status_code == 200

        await eventually(shared)
        async with loaded(client) as good:
            await asyncio.sleep(1)
        break_it(fault, own_redis, proxy)
        async with loaded(client) as bad:
            await asyncio.sleep(3)
            ready = await client.get("/readyz")
        mend(fault, own_redis, proxy)
        start = time.perf_counter()
        await eventually(shared, within=5)
        recovered = time.perf_counter() - start
        async with loaded(client) as after:
            await asyncio.sleep(0.5)
    print(
        f"{fault}: p99 {good.p99() * 1000:.0f} ms before, {bad.p99() * 1000:.0f} ms during,"
        f" {after.p99() * 1000:.0f} ms after; {dict(bad.statuses('/closed'))} where it fails"
        f" closed; shared again after {recovered:.1f} s"
    )
    assert good.statuses("/closed")[200] > 0
    for load in (good, bad, after):
        for path in ("/limited", "/cached"):
            assert set(load.statuses(path)) == {200}
    assert bad.statuses("/closed")[503] > 0.9 * bad.statuses("/closed").total()
    assert set(bad.statuses("/closed")) <= {200, 503}
    # A request asks Redis three times at most, and only those in flight at the start wait: once.
    assert bad.p99() < 3 * TIMEOUT + 3 * good.p99()
    assert ready.status_code == 200
    assert ready.json()["status"] == "degraded"
    fell_back = telemetry.sample("rate_limit_degraded_total", policy="default", answer="local")
    assert fell_back is not None
    assert fell_back > RATE
    waited = sum(
        telemetry.sample("redis_command_duration_seconds_count", command=each, outcome="timeout")
        or 0
        for each in ("EVALSHA", "EVAL")
    )
    assert waited <= RATE * TIMEOUT * 3  # what came in within one timeout; never again afterwards


async def test_a_redis_that_restarts_or_forgets_everything_is_no_fault_at_all(
    own_redis: RedisServer, telemetry: Telemetry
) -> None:
    async with serving(own_redis, telemetry) as (client, _), loaded(client) as load:
        for _ in range(3):
            await asyncio.sleep(0.3)
            server_commands(own_redis, "FLUSHALL", "SCRIPT FLUSH")
        await asyncio.to_thread(own_redis.restart)
        await asyncio.sleep(1)
    for path in ("/limited", "/cached"):
        assert set(load.statuses(path)) == {200}
    print(f"restart and 3 x FLUSHALL: {dict(load.statuses('/closed'))} where it fails closed")


def server_commands(own_redis: RedisServer, *commands: str) -> None:
    import redis

    with redis.Redis.from_url(own_redis.url) as client:
        for command in commands:
            client.execute_command(*command.split())
