"""What a request notices when its connection is lost, or the server refuses one for a moment."""

import asyncio
import time
from collections import Counter

import pytest
from chassis_core import App, Session, compose
from chassis_core.concerns.database import Database, DatabaseSettings, database
from chassis_core.testing import running
from chassis_core.testing.servers import PostgresServer, execute
from fastapi import APIRouter
from httpx2 import AsyncClient
from sqlalchemy import func, literal, select, text
from sqlalchemy.engine import make_url

pytestmark = pytest.mark.alone

ASLEEP = "datname = current_database() AND state = 'active' AND query LIKE '%pg_sleep%'"
ASLEEP += " AND pid <> pg_backend_pid()"
router = APIRouter()


@router.get("/read")
async def read(session: Session, first: bool = True, seconds: float = 0) -> int:
    if not first:
        await session.scalar(select(literal(1)))
    await session.scalar(select(func.pg_sleep(seconds)))
    return 1


@router.post("/write")
async def write(session: Session, seconds: float = 0) -> None:
    await session.execute(text("INSERT INTO items VALUES ('once')"))
    await session.scalar(select(func.pg_sleep(seconds)))


def app_at(url: str, **limits: float) -> App:
    return compose([database(DatabaseSettings(url=url, **limits))], routers=[router])


async def asleep(url: str, count: int) -> None:
    """Wait until so many statements are under way."""
    deadline = time.monotonic() + 20
    while len(await rows(url, f"SELECT pid FROM pg_stat_activity WHERE {ASLEEP}")) != count:
        assert time.monotonic() < deadline, "the statements were never under way"
        await asyncio.sleep(0.02)


async def rows(url: str, statement: str) -> list:
    return await asyncio.to_thread(execute, url, statement)


async def end_all(url: str) -> None:
    await rows(url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ASLEEP}")


async def statuses(client: AsyncClient, url: str, method: str, path: str) -> list[int]:
    """Send five, end their connections while they work, and return what they are answered."""
    sent = [asyncio.create_task(client.request(method, path)) for _ in range(5)]
    await asleep(url, 5)
    await end_all(url)
    return [answer.status_code for answer in await asyncio.gather(*sent)]


async def test_a_read_whose_connection_is_lost_is_read_again_unseen(postgres_url: str):
    async with running(app_at(postgres_url)) as client:
        assert await statuses(client, postgres_url, "GET", "/read?seconds=1") == [200] * 5


async def test_a_read_that_has_seen_something_is_not_continued_on_another_connection(
    postgres_url: str,
):
    async with running(app_at(postgres_url)) as client:
        found = await statuses(client, postgres_url, "GET", "/read?seconds=1&first=false")
    assert found == [503] * 5


async def test_a_write_is_never_sent_again(postgres_url: str, postgres: Database):
    # The connections are lost after the insert: one that were repeated would be there.
    async with running(app_at(postgres_url)) as client:
        sent = asyncio.create_task(client.post("/write?seconds=1.5"))
        await asleep(postgres_url, 1)
        await end_all(postgres_url)
        assert (await sent).status_code == 503
    assert await rows(postgres_url, "SELECT * FROM items") == []


async def test_a_restart_is_waited_for_as_long_as_a_connection_is(own_postgres: PostgresServer):
    async with running(app_at(own_postgres.url, pool_timeout=20)) as client:
        sent = [asyncio.create_task(client.get("/read?seconds=1")) for _ in range(5)]
        await asleep(own_postgres.url, 5)
        await asyncio.to_thread(own_postgres.kill)
        sent += [asyncio.create_task(client.get("/read")) for _ in range(5)]
        await asyncio.to_thread(own_postgres.start)
        answers = Counter(answer.status_code for answer in await asyncio.gather(*sent))
    assert answers == {200: 10}


async def test_a_server_with_too_many_connections_is_asked_again_for_a_moment(postgres_url: str):
    url = make_url(postgres_url)
    role = f"role_{url.database}"
    await rows(postgres_url, f"CREATE ROLE {role} LOGIN PASSWORD 'few' CONNECTION LIMIT 1")
    try:
        few = url.set(username=role, password="few").render_as_string(hide_password=False)
        one = app_at(few, pool_timeout=20, pool_size=1, max_overflow=0)
        other = app_at(few, pool_timeout=0.1, pool_size=1, max_overflow=0)
        patient = app_at(few, pool_timeout=20, pool_size=1, max_overflow=0)
        async with running(patient) as waiting:
            async with running(one) as client, running(other) as refused:
                assert (await client.get("/read")).status_code == 200
                assert (await refused.get("/read")).status_code == 503
                late = asyncio.create_task(waiting.get("/read"))
                await asyncio.sleep(0)
                assert not late.done()
            assert (await late).status_code == 200
    finally:
        await rows(postgres_url, f"DROP ROLE {role}")
