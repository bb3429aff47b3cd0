import asyncio
import time

import pytest
from chassis_core import App, Session, compose
from chassis_core.concerns.database import Database, DatabaseSettings, database
from chassis_core.testing import running
from chassis_core.testing.servers import PostgresServer, execute
from chassis_core.testing.servers.process import free_port
from fastapi import APIRouter
from httpx2 import AsyncClient, Response
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.engine import make_url

pytestmark = pytest.mark.alone

router = APIRouter()
OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
LIMITS = {"pool_size": 2, "max_overflow": 0, "pool_timeout": 0.2, "connect_timeout": 1}


@router.get("/sleep/{seconds}")
async def sleep(seconds: float, session: Session) -> None:
    await session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds})


@router.get("/now")
async def now(session: Session) -> int:
    return await session.scalar(text("SELECT 1"))


def app_at(url: str, registry: CollectorRegistry | None = None, **limits: float) -> App:
    settings = DatabaseSettings(url=url, **LIMITS | limits)
    own = Database(settings, registry=registry)
    return compose([database(settings, database=own)], routers=[router])


async def all_used(registry: CollectorRegistry) -> None:
    deadline = time.monotonic() + 5
    used = {"db_client_connection_state": "used"}
    while registry.get_sample_value("db_client_connection_count", used) != LIMITS["pool_size"]:
        assert time.monotonic() < deadline, "the connections were never used"
        await asyncio.sleep(0.01)


def is_unavailable(response: Response) -> bool:
    assert response.headers["content-type"] == "application/problem+json"
    return (response.status_code, response.headers["retry-after"]) == (503, "1")


async def answers_again(client: AsyncClient, *, within: float = 5) -> None:
    deadline = time.monotonic() + within
    while (await client.get("/now")).status_code != 200:
        assert time.monotonic() < deadline, "it did not recover in time"


async def test_an_exhausted_pool_is_503_and_counted(postgres_url: str) -> None:
    registry = CollectorRegistry()
    async with running(app_at(postgres_url, registry)) as client:
        answers = await asyncio.gather(*(client.get("/sleep/0.6") for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [200, 200, 503, 503]
        assert all(is_unavailable(a) for a in answers if a.status_code == 503)
        assert registry.get_sample_value("db_client_connection_timeouts_total") == 2
        used = {"db_client_connection_state": "used"}
        assert registry.get_sample_value("db_client_connection_count", used) == 0


async def test_a_statement_that_takes_too_long_is_503(postgres_url: str) -> None:
    async with running(app_at(postgres_url, statement_timeout=0.1)) as client:
        assert is_unavailable(await client.get("/sleep/30"))
        assert (await client.get("/now")).status_code == 200


async def test_too_many_connections_is_503(postgres_url: str) -> None:
    url = make_url(postgres_url)
    execute(
        postgres_url, f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS true CONNECTION LIMIT 0"
    )
    role = f"role_{url.database}"
    execute(postgres_url, f"CREATE ROLE {role} LOGIN PASSWORD 'few'")
    try:
        few = url.set(username=role, password="few").render_as_string(hide_password=False)
        async with running(app_at(few)) as client:
            assert is_unavailable(await client.get("/now"))
    finally:
        execute(postgres_url, f"DROP ROLE {role}")


async def test_a_refused_connection_is_503() -> None:
    async with running(app_at(f"postgresql://nobody@127.0.0.1:{free_port()}/none")) as client:
        assert is_unavailable(await client.get("/now"))


async def test_connections_that_the_server_has_closed_are_replaced_unseen(
    postgres_url: str,
) -> None:
    async with running(app_at(postgres_url)) as client:
        assert (await client.get("/now")).status_code == 200
        execute(postgres_url, f"SELECT pg_terminate_backend(pid) {OTHERS}")
        while (await asyncio.to_thread(execute, postgres_url, f"SELECT pid {OTHERS}")) != []:
            pass
        assert (await client.get("/now")).status_code == 200


async def test_a_server_that_restarts_costs_503_and_never_500(own_postgres: PostgresServer) -> None:
    registry = CollectorRegistry()
    async with running(app_at(own_postgres.url, registry)) as client:
        assert (await client.get("/now")).status_code == 200
        cut = [asyncio.create_task(client.get("/sleep/1.5")) for _ in range(2)]
        await all_used(registry)
        await asyncio.to_thread(own_postgres.kill)
        assert all(is_unavailable(answer) for answer in await asyncio.gather(*cut))
        assert is_unavailable(await client.get("/now"))
        await asyncio.to_thread(own_postgres.start)
        await answers_again(client)


async def test_a_server_that_hangs_costs_503_in_bounded_time(own_postgres: PostgresServer) -> None:
    app = app_at(own_postgres.url, statement_timeout=1, ready_timeout=1)
    ready = app.concerns[0].ready
    assert ready is not None
    async with running(app) as client:
        await asyncio.gather(client.get("/now"), client.get("/now"), ready())
        own_postgres.pause()
        try:
            start = time.monotonic()
            with pytest.raises(TimeoutError, match=r"no answer within 1 s"):
                await ready()
            assert time.monotonic() - start < 2.5
            start = time.monotonic()
            answers = await asyncio.gather(*(client.get("/now") for _ in range(4)))
            assert all(is_unavailable(answer) for answer in answers)
            assert time.monotonic() - start < 3
            with pytest.raises(TimeoutError):
                await ready()
        finally:
            own_postgres.resume()
        await answers_again(client)
        await ready()


async def test_a_busy_pool_is_still_ready(postgres_url: str) -> None:
    registry = CollectorRegistry()
    app = app_at(postgres_url, registry)
    assert app.concerns[0].ready is not None
    async with running(app) as client:
        busy = [asyncio.create_task(client.get("/sleep/0.5")) for _ in range(2)]
        await all_used(registry)
        await app.concerns[0].ready()
        assert {answer.status_code for answer in await asyncio.gather(*busy)} == {200}


async def test_the_limits_are_those_of_the_session(postgres_url: str) -> None:
    db = Database(DatabaseSettings(url=postgres_url), application="orders")
    async with db.session() as session:
        shown = {
            name: await session.scalar(text(f"SHOW {name}"))
            for name in ("statement_timeout", "lock_timeout", "application_name")
        }
    await db.close()
    assert shown == {"statement_timeout": "2s", "lock_timeout": "1s", "application_name": "orders"}


async def test_statements_need_not_be_prepared_by_name(postgres_url: str) -> None:
    db = Database(DatabaseSettings(url=postgres_url, prepared_statements=False))
    async with db.session() as session:
        for _ in range(3):
            await session.execute(text("SELECT 1"))
        named = text("SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT 1'")
        assert await session.scalar(named) == 0
    await db.close()


async def test_a_locked_sqlite_file_is_503(tmp_path) -> None:
    writes = APIRouter()

    @writes.post("/write")
    async def write(session: Session) -> None:
        await session.execute(text("CREATE TABLE more (id INTEGER)"))

    settings = DatabaseSettings(url=f"sqlite:///{tmp_path / 'test.db'}", lock_timeout=0.1)
    db = Database(settings)
    app = compose([database(settings, database=db)], routers=[writes])
    async with running(app) as client, db.session() as other:
        await other.execute(text("CREATE TABLE items (id INTEGER)"))
        assert is_unavailable(await client.post("/write"))
