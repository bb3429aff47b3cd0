"""Load on assembled apps: the limit of requests in flight, and draining."""

import asyncio

import pytest
from chassis_core import compose
from chassis_core.concerns.errors import errors
from chassis_core.concerns.load import LoadSettings, load
from chassis_core.testing import running
from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry


async def test_one_request_too_many_is_503_and_the_place_is_given_back():
    registry, release, router = CollectorRegistry(), asyncio.Event(), APIRouter()

    @router.get("/wait")
    async def wait() -> str:
        await release.wait()
        return "ok"

    @router.get("/boom")
    async def boom() -> None:
        raise ValueError

    concern = load(LoadSettings(max_concurrency=2, retry_after=3), registry=registry)
    async with running(compose([errors(), concern], routers=[router])) as client:
        waiting = [asyncio.create_task(client.get("/wait")) for _ in range(2)]
        async with asyncio.timeout(5):
            while registry.get_sample_value("load_in_flight_requests") != 2:  # noqa: ASYNC110 - a gauge
                await asyncio.sleep(0)
        shed = await client.get("/wait")
        assert shed.status_code == 503
        assert shed.headers["retry-after"] == "3"
        assert shed.headers["content-type"] == "application/problem+json"
        release.set()
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200, 200]
        assert (await client.get("/boom")).status_code == 500
    assert registry.get_sample_value("load_in_flight_requests") == 0
    assert registry.get_sample_value("load_shed_requests_total", {"reason": "in_flight"}) == 1


@pytest.mark.parametrize("status", [200, 304, 401, 404, 409, 429])
async def test_a_burst_of_answers_as_fast_as_ever_is_no_overload_whatever_they_say(status):
    registry, router = CollectorRegistry(), APIRouter()

    @router.get("/answer")
    async def answer() -> Response:
        await asyncio.sleep(0.05)
        return Response(status_code=status)

    settings = LoadSettings(max_concurrency=100, max_slowdown=20)  # more than a busy machine's
    concern = load(settings, registry=registry)
    async with running(compose([errors(), concern], routers=[router])) as client:
        for _ in range(8):
            await client.get("/answer")
        for _ in range(4):
            await asyncio.gather(*(client.get("/answer") for _ in range(120)))
        assert registry.get_sample_value("load_in_flight_limit") == 100


async def test_draining_fails_readiness_while_requests_are_still_served():
    registry, router = CollectorRegistry(), APIRouter()

    @router.get("/")
    async def answer() -> str:
        return "ok"

    concern = load(LoadSettings(), registry=registry)
    app = compose([errors(), concern], routers=[router])
    async with running(app) as client:
        await concern.ready()
        app.drain()
        with pytest.raises(RuntimeError, match="draining"):
            await concern.ready()
        assert (await client.get("/")).status_code == 200
    assert registry.get_sample_value("load_draining") == 1
