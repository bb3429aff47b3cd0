"""Far more requests than connections, and clients that leave, through the whole stack."""

import asyncio
import gc
import logging
import socket
import struct
import time
from collections import Counter

import pytest
from chassis_core import App, ServiceSettings, Session, create_app
from chassis_core.concerns.database import DatabaseSettings
from chassis_core.concerns.load import LoadSettings
from chassis_core.concerns.rate_limit import RateLimitSettings
from chassis_core.testing import Telemetry, running
from chassis_core.testing.listener import listening
from chassis_core.testing.servers import execute
from fastapi import APIRouter
from sqlalchemy import func, select, text

pytestmark = pytest.mark.alone

POOL = 10
CLIENTS = 200
SECONDS = 4
SLACK = 3
"""A machine that does other things too may take so many times as long as is promised."""
OURS = "FROM pg_stat_activity WHERE application_name = 'busy' AND datname = current_database()"
router = APIRouter()


@router.get("/second")
async def second(session: Session) -> None:
    await session.scalar(select(func.pg_sleep(1)))


@router.post("/pairs")
async def pair(session: Session) -> None:
    await session.execute(text("INSERT INTO pairs VALUES ('one')"))
    await session.scalar(select(func.pg_sleep(0.1)))
    await session.execute(text("INSERT INTO pairs VALUES ('other')"))


@router.get("/limits")
async def limits(session: Session) -> dict[str, str]:
    found = await session.execute(
        text("SELECT name, setting FROM pg_settings WHERE source = 'client' AND unit = 'ms'")
    )
    return {row.name: row.setting for row in found}


def app_at(url: str, telemetry: Telemetry) -> App:
    settings = ServiceSettings(
        name="busy",
        database=DatabaseSettings(url=url, pool_size=POOL, max_overflow=0),
        rate_limit=RateLimitSettings(default=None),
        load=LoadSettings(max_concurrency=2 * CLIENTS),
    )
    return create_app(settings, routers=[router], **telemetry.shared())


def used(telemetry: Telemetry) -> float | None:
    return telemetry.sample("db_client_connection_count", db_client_connection_state="used")


async def test_an_exhausted_pool_refuses_soon_and_works_on_at_full_speed(
    postgres_url: str, telemetry: Telemetry
):
    answers = Counter()
    refusals = []

    async def insist(client, until):
        while (begun := time.monotonic()) < until:
            answer = await client.get("/second")
            answers[answer.status_code] += 1
            if answer.status_code == 503:
                refusals.append(time.monotonic() - begun)
                assert int(answer.headers["retry-after"]) >= 1
                await asyncio.sleep(0.3)

    async with running(app_at(postgres_url, telemetry)) as client:
        await asyncio.gather(*(client.get("/second") for _ in range(POOL)))
        begun = time.monotonic()
        await asyncio.gather(*(insist(client, begun + SECONDS) for _ in range(CLIENTS)))
        took = time.monotonic() - begun
    goodput = answers[200] / took / POOL
    print(f"{dict(answers)} in {took:.1f} s: {goodput:.0%} of what {POOL} connections can do")
    print(f"slowest refusal {max(refusals):.2f} s")
    assert set(answers) == {200, 503}
    assert max(refusals) <= 1 * SLACK
    assert goodput >= 0.9 / SLACK
    assert used(telemetry) == 0


async def test_the_sessions_of_an_app_have_its_limits_and_its_name(
    postgres_url: str, telemetry: Telemetry
):
    async with running(app_at(postgres_url, telemetry)) as client:
        shown = (await client.get("/limits")).json()
        named = await asyncio.to_thread(execute, postgres_url, f"SELECT count(*) AS n {OURS}")
    assert shown == {
        "statement_timeout": "2000",
        "lock_timeout": "1000",
        "idle_in_transaction_session_timeout": "30000",
    }
    assert named[0]["n"] >= 1


def leave(port: int, request: bytes) -> socket.socket:
    """Send a request on a connection that will be reset, not closed."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.sendall(request)
    return connection


async def test_clients_that_leave_in_the_middle_leave_nothing_behind(
    postgres_url: str, telemetry: Telemetry, caplog: pytest.LogCaptureFixture
):
    execute(postgres_url, "CREATE TABLE pairs (half VARCHAR(5))")
    request = b"POST /pairs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
    async with listening(app_at(postgres_url, telemetry)) as raw:
        for batch in range(500 // POOL):
            gone = [leave(raw.port, request) for _ in range(POOL)]
            await asyncio.sleep(0.02 * (batch % 10))
            for connection in gone:
                connection.close()
        await settled(postgres_url, telemetry)
        gc.collect()
        answer = await raw.exchange(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert answer.startswith(b"HTTP/1.1 200"), answer
        statuses = Counter(line["http.response.status_code"] for line in telemetry.access_lines())
    halves = {
        row["half"]: row["n"]
        for row in execute(postgres_url, "SELECT half, count(*) AS n FROM pairs GROUP BY half")
    }
    print(f"500 left: {dict(statuses)}, committed {halves}")
    assert halves["one"] == halves["other"] == statuses[200]
    assert statuses[499] > 0
    assert "non-checked-in" not in caplog.text + str(telemetry.lines)
    assert not [line for line in telemetry.lines if line["level"] == "critical"]
    assert not [record for record in caplog.records if record.levelno > logging.WARNING]


async def settled(url: str, telemetry: Telemetry) -> None:
    """Wait until no connection is checked out, and PostgreSQL has no transaction of ours."""
    busy = f"SELECT state {OURS} AND state <> 'idle'"
    deadline = time.monotonic() + 30
    while used(telemetry) or await asyncio.to_thread(execute, url, busy):
        assert time.monotonic() < deadline, (used(telemetry), execute(url, busy))
        await asyncio.sleep(0.05)
