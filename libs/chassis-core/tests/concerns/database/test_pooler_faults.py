"""PgBouncer between the app and PostgreSQL, while either of them goes and comes back."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from chassis_core import Session, compose
from chassis_core.concerns.database import DatabaseSettings, database
from chassis_core.testing import eventually, running
from chassis_core.testing.servers import Missing, PgBouncer, PostgresServer
from fastapi import APIRouter
from httpx2 import AsyncClient
from sqlalchemy import func, select, text

pytestmark = pytest.mark.alone
PAUSE = 0.02
SLACK = 3
"""A machine that does other things too may take so many times as long as is promised."""
router = APIRouter()


@router.get("/read")
async def read(session: Session) -> int:
    await session.scalar(select(func.pg_sleep(0.05)))
    return 1


@router.post("/write")
async def write(session: Session) -> None:
    await session.execute(text("CREATE TEMPORARY TABLE once (id INTEGER) ON COMMIT DROP"))
    await session.scalar(select(func.pg_sleep(0.05)))


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    try:
        server = PostgresServer()
    except Missing as missing:
        pytest.skip(str(missing))
    with server:
        yield server


@pytest.fixture
def pooler(server: PostgresServer) -> Iterator[PgBouncer]:
    try:
        pooler = PgBouncer(server.url, pool_size=3)
    except Missing as missing:
        pytest.skip(str(missing))
    with pooler:
        yield pooler


async def use(client: AsyncClient, stop: asyncio.Event) -> Counter:
    """Read and write until told to stop, whatever becomes of it, and count the answers."""
    seen: Counter = Counter()

    async def one(method: str, path: str) -> None:
        answer = await client.request(method, path)
        seen[answer.status_code] += 1
        assert answer.status_code != 503 or answer.headers["retry-after"]

    async with asyncio.TaskGroup() as tasks:
        while not stop.is_set():
            tasks.create_task(one("GET", "/read"))
            tasks.create_task(one("POST", "/write"))
            await asyncio.sleep(PAUSE)
    return seen


@pytest.mark.parametrize("fault", ["database restarts", "database is gone", "pooler restarts"])
async def test_whoever_of_the_two_goes_costs_503_and_never_500(
    server: PostgresServer, pooler: PgBouncer, fault: str
):
    settings = DatabaseSettings(url=pooler.url, prepared_statements=False, session_limits=False)
    async with running(compose([database(settings)], routers=[router]), timeout=60) as client:

        async def well() -> bool:
            return (await client.get("/read")).status_code == 200

        await eventually(well)
        stop = asyncio.Event()
        using = asyncio.create_task(use(client, stop))
        await asyncio.sleep(0.3)
        gone = pooler if fault == "pooler restarts" else server
        await asyncio.to_thread(gone.kill)
        await asyncio.sleep(1.5 if fault == "database is gone" else 0)
        await asyncio.to_thread(gone.start)
        back = time.monotonic()
        await eventually(well, within=30)
        took = time.monotonic() - back
        stop.set()
        seen = await using
        after = [(await client.get("/read")).status_code for _ in range(10)]
    print(f"{fault}: {dict(seen)}, read again {took:.1f} s after it was back")
    assert set(seen) <= {200, 503}
    assert set(after) == {200}
    assert took < 2 * SLACK
