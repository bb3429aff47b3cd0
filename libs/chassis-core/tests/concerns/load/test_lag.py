"""The lag of a real loop, as it is shown."""

import asyncio
import time

import pytest
from chassis_core import compose
from chassis_core.concerns.errors import errors
from chassis_core.concerns.health import HealthSettings, health
from chassis_core.concerns.load import LoadSettings, load
from chassis_core.testing import running
from fastapi import APIRouter
from prometheus_client import CollectorRegistry

pytestmark = pytest.mark.alone


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
