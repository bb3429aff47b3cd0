import asyncio
import time

import pytest
from chassis_core import compose
from chassis_core.concerns.errors import errors
from chassis_core.concerns.rate_limit import RateLimit, RateLimitSettings, rate_limit
from chassis_core.concerns.redis import Redis, RedisSettings, redis
from chassis_core.testing import Telemetry, running
from chassis_core.testing.servers import RedisServer
from fastapi import APIRouter, Depends, FastAPI

pytestmark = pytest.mark.alone

router = APIRouter()


@router.get("/local", dependencies=[Depends(RateLimit("4/hour"))])
async def local() -> dict[str, str]:
    return {}


@router.get("/open", dependencies=[Depends(RateLimit("4/hour", on_outage="open"))])
async def opened() -> dict[str, str]:
    return {}


@router.get("/closed", dependencies=[Depends(RateLimit("4/hour", on_outage="closed"))])
async def closed() -> dict[str, str]:
    return {}


def app(own_redis: RedisServer, telemetry: Telemetry) -> FastAPI:
    settings = RedisSettings(url=own_redis.url, recheck=0.2)  # type: ignore[arg-type]
    store = Redis(settings, registry=telemetry.registry)
    limits = rate_limit(
        RateLimitSettings(default=None, replicas=2), registry=telemetry.registry, store=store
    )
    return compose([redis(settings, store=store), limits, errors()], routers=[router])


@pytest.mark.parametrize("fault", ["kill", "pause"])
async def test_each_policy_does_what_it_says_while_redis_is_away(
    fault: str, own_redis: RedisServer, telemetry: Telemetry
) -> None:
    async with running(app(own_redis, telemetry)) as client:
        assert (await client.get("/closed")).status_code == 200
        getattr(own_redis, fault)()
        start = time.perf_counter()
        answers = {
            path: [(await client.get(path)).status_code for _ in range(6)]
            for path in ("/local", "/open", "/closed")
        }
        held = time.perf_counter() - start
    assert answers["/local"] == [200, 200, 429, 429, 429, 429]
    assert answers["/open"] == [200] * 6
    assert answers["/closed"] == [503] * 6
    assert held < 1.8
    for policy, answer in (("local", "local"), ("opened", "open"), ("closed", "closed")):
        degraded = telemetry.sample("rate_limit_degraded_total", policy=policy, answer=answer)
        assert degraded == 6


async def test_limits_are_shared_again_within_seconds_of_redis_being_back(
    own_redis: RedisServer, telemetry: Telemetry
) -> None:
    async with running(app(own_redis, telemetry)) as client:
        own_redis.pause()
        assert (await client.get("/closed")).status_code == 503
        own_redis.resume()
        async with asyncio.timeout(5):
            while True:
                if (answer := await client.get("/closed")).status_code != 503:
                    break
                await asyncio.sleep(0.05)
        assert answer.status_code == 200


async def test_a_refusal_for_want_of_redis_says_when_to_come_back(
    own_redis: RedisServer, telemetry: Telemetry
) -> None:
    async with running(app(own_redis, telemetry)) as client:
        own_redis.kill()
        refused = await client.get("/closed")
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["detail"] == "the limit cannot be checked now"
