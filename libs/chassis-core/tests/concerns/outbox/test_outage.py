"""Redis goes away under a service that tells of events: they wait, and nobody else notices."""

import time

import pytest
import redis
from chassis_core import Events, ServiceSettings, Session, create_app
from chassis_core.concerns.database import Database, DatabaseSettings
from chassis_core.concerns.outbox import OutboxSettings
from chassis_core.testing import Telemetry, eventually, running
from chassis_core.testing.servers import RedisServer
from fastapi import APIRouter
from sqlalchemy import text

from .conftest import STREAM

pytestmark = pytest.mark.alone
router = APIRouter()


@router.post("/things/{number}")
async def change(number: int, session: Session, events: Events) -> None:
    await session.execute(text("INSERT INTO effects VALUES (:name)"), {"name": str(number)})
    await events.add(session, "thing.changed", subject="a", data=number)


@pytest.fixture
def app(own_redis: RedisServer, database: Database, telemetry: Telemetry):
    settings = ServiceSettings(
        name="test",
        outbox=OutboxSettings(enabled=True, longest_pause=0.5),
        redis={"url": own_redis.url, "timeout": 0.3, "recheck": 0.3},
        load={"max_slowdown": 1000},
        database=DatabaseSettings(),
    )
    return create_app(settings, routers=[router], database=database, **telemetry.shared())


def in_stream(own_redis: RedisServer) -> list[int]:
    """Return the numbers of the events in the stream, each where it came first."""
    with redis.Redis.from_url(own_redis.url) as client:
        found = [int(fields[b"data"]) for _, fields in client.xrange(STREAM)]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("fault", ["kill", "pause"])
async def test_events_wait_while_redis_is_away_and_leave_when_it_is_back(
    fault, own_redis, app, telemetry
):
    def show(name: str) -> float:
        return telemetry.sample(name) or 0

    async with running(app) as http:
        assert (await http.post("/things/0")).status_code == 200
        await eventually(lambda: in_stream(own_redis) == [0])
        {"kill": own_redis.kill, "pause": own_redis.pause}[fault]()
        slowest = 0.0
        for number in range(1, 41):
            start = time.perf_counter()
            assert (await http.post(f"/things/{number}")).status_code == 200
            slowest = max(slowest, time.perf_counter() - start)
        await eventually(lambda: show("outbox_relay_failures_total") >= 2)
        await eventually(lambda: show("outbox_pending_events") == 40)
        await eventually(lambda: show("outbox_oldest_event_seconds") > 0)
        assert (await http.get("/readyz")).status_code == 200
        {"kill": own_redis.start, "pause": own_redis.resume}[fault]()
        start = time.perf_counter()
        await eventually(lambda: show("outbox_pending_events") == 0)
        again = time.perf_counter() - start
        await eventually(lambda: in_stream(own_redis)[-1] == 40)
    kept = 0 if fault == "kill" else 1
    assert in_stream(own_redis) == [*range(kept), *range(1, 41)]
    print(f"{fault}: slowest request {slowest * 1000:.0f} ms, all published {again:.1f} s after")
    events = [line["event"] for line in telemetry.lines]
    assert events.count("events_stuck") == 1
    assert events.count("events_flow") == 1
