"""The lag of a real loop: what is seen of a stall, and what sheds load."""

import asyncio
import time

import pytest
from chassis_core import compose
from chassis_core.concerns.errors import errors
from chassis_core.concerns.health import HealthSettings, health
from chassis_core.concerns.load import LoadSettings, load
from chassis_core.concerns.load.lag import STANDING, Lag
from chassis_core.testing import running
from fastapi import APIRouter
from prometheus_client import CollectorRegistry

pytestmark = pytest.mark.alone


@pytest.fixture
async def lag():
    lag = Lag(bearable=0.02)
    lag.start()
    yield lag
    lag.stop()


def work(seconds):
    """Cost a core so long."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


async def turns(seconds, block):
    """Keep the loop busy in turns of `block` seconds."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        work(block)
        await asyncio.sleep(0)


async def test_one_stall_is_seen_and_is_no_standing_lag(lag):
    time.sleep(0.5)  # noqa: ASYNC251 - the fault
    assert lag.greatest > 0.45
    await asyncio.sleep(0)
    assert not lag.is_standing()


async def test_a_loop_that_stays_behind_is_found_out(lag):
    await turns(STANDING * 2, block=0.06)
    work(0.06)
    assert lag.is_standing()


async def test_a_loop_that_waits_for_a_core_has_not_too_much_to_do(lag):
    end = time.monotonic() + STANDING * 2
    while time.monotonic() < end:
        time.sleep(0.06)  # noqa: ASYNC251 - another process has the core
        await asyncio.sleep(0)
    time.sleep(0.06)  # noqa: ASYNC251 - likewise
    assert not lag.is_standing()
    assert lag.greatest > 0.03


async def test_when_the_loop_keeps_up_again_nothing_is_shed(lag):
    await turns(STANDING * 2, block=0.06)
    await asyncio.sleep(0.1)
    assert not lag.is_standing()
    assert lag.greatest > 0.03


async def test_a_stall_of_two_seconds_fails_neither_liveness_nor_readiness_and_is_shown():
    registry, router = CollectorRegistry(), APIRouter()

    @router.get("/stall")
    async def stall() -> str:
        time.sleep(2)  # noqa: ASYNC251 - the fault
        return "ok"

    concerns = [errors(), health(HealthSettings()), load(LoadSettings(), registry=registry)]
    async with running(compose(concerns, routers=[router])) as client:
        stalled, alive = await asyncio.gather(client.get("/stall"), client.get("/livez"))
        assert (stalled.status_code, alive.status_code) == (200, 200)
        assert registry.get_sample_value("event_loop_lag_seconds") > 1.9
        ready = await client.get("/readyz")
        assert ready.status_code == 200
        assert float(ready.json()["checks"]["load"]["event_loop_lag_seconds"]) > 1.9


async def test_more_work_than_a_core_can_do_is_shed_while_what_is_taken_stays_fast():
    registry, router = CollectorRegistry(), APIRouter()

    @router.get("/work")
    async def working() -> str:
        work(0.005)
        return "ok"

    concern = load(LoadSettings(), registry=registry)
    async with running(compose([errors(), concern], routers=[router])) as client:

        async def visit():
            began = time.monotonic()
            status = (await client.get("/work")).status_code
            return status, time.monotonic() - began

        seen = []
        judged = time.thread_time() + STANDING + 1
        while (now := time.thread_time()) < judged + 2:
            answers = await asyncio.gather(*[visit() for _ in range(40)])
            seen += answers if now > judged else []
        taken = sorted(took for status, took in seen if status == 200)
        assert {status for status, _ in seen} == {200, 503}
        assert len(taken) * 0.005 > 0.25 * (time.thread_time() - judged)
        assert len(taken) < 0.8 * len(seen)
        assert registry.get_sample_value("load_shed_requests_total", {"reason": "lag"}) > 0
        await asyncio.sleep(0.1)
        assert (await client.get("/work")).status_code == 200
