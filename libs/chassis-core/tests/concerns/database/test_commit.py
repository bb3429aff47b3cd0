import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from chassis_core import App, Session
from chassis_core.concerns.database import Database
from chassis_core.testing import running
from chassis_core.testing.servers import execute
from fastapi import APIRouter, Request
from sqlalchemy import text

router = APIRouter()
INSERT = text("INSERT INTO items (name) VALUES ('new')")
OPEN = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND state IN ('active', 'idle in transaction')
AND pid <> pg_backend_pid()
"""


@router.post("/terminated", status_code=201)
async def lose_the_connection(session: Session, request: Request) -> None:
    await session.execute(INSERT)
    own = await session.scalar(text("SELECT pg_backend_pid()"))
    async with request.state.database.session() as other:
        await other.execute(text("SELECT pg_terminate_backend(:own)"), {"own": own})


@router.post("/slow", status_code=201)
async def slow(session: Session) -> None:
    await session.execute(INSERT)
    await session.execute(text("SELECT pg_sleep(0.3)"))


@router.post("/cancelled", status_code=201)
async def cancelled(session: Session) -> None:
    await session.execute(INSERT)
    await session.execute(text("SELECT pg_sleep(30)"))


@asynccontextmanager
async def served(app: App) -> AsyncIterator[int]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="on"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done()
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + 10
    while not await condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.02)


def abort(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


async def test_a_constraint_that_fails_at_commit_is_never_answered_2xx(postgres, app_on) -> None:
    unique = "ALTER TABLE items ADD UNIQUE (name) DEFERRABLE INITIALLY DEFERRED"
    async with postgres.session() as session:
        await session.execute(text("ALTER TABLE items DROP CONSTRAINT items_pkey"))
        await session.execute(text(unique))
    async with running(app_on(postgres)) as client:
        assert (await client.post("/items/a")).status_code == 201
        assert (await client.post("/items/a")).status_code == 500
        assert (await client.get("/items")).json() == ["a"]


async def test_a_deferred_key_that_fails_at_commit_is_never_answered_2xx(
    db: Database, app_on
) -> None:
    async with db.session() as session:
        await session.execute(
            text(
                "CREATE TABLE parts (item VARCHAR(10) REFERENCES items (name)"
                " DEFERRABLE INITIALLY DEFERRED)"
            )
        )
    parts = APIRouter()

    @parts.post("/parts", status_code=201)
    async def add(session: Session) -> None:
        await session.execute(text("INSERT INTO parts VALUES ('none')"))

    async with running(app_on(db, parts)) as client:
        assert (await client.post("/parts")).status_code == 500


async def test_a_connection_lost_before_the_commit_is_never_answered_2xx(postgres, app_on) -> None:
    async with running(app_on(postgres, router)) as client:
        lost = await client.post("/terminated")
        assert (lost.status_code, lost.headers["retry-after"]) == (503, "1")
        assert (await client.get("/items")).json() == []


async def test_what_a_client_gone_has_asked_for_is_not_committed(postgres, app_on) -> None:
    url = postgres._settings.url.get_secret_value()

    async def all_ended() -> bool:
        return (await asyncio.to_thread(execute, url, OPEN))[0][0] == 0

    async def all_returned() -> bool:
        return postgres.engine.pool.checkedout() == 0

    async def one_runs() -> bool:
        return postgres.engine.pool.checkedout() == 2

    async with served(app_on(postgres, router)) as port:
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
        for client in clients:
            client.sendall(b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        await eventually(one_runs)
        for client in clients:
            abort(client)
        await eventually(all_returned)
        await eventually(all_ended)
        assert execute(url, "SELECT count(*) FROM items")[0][0] == 0


async def test_a_request_cancelled_in_a_statement_gives_its_connection_back(
    postgres, app_on
) -> None:
    async with running(app_on(postgres, router)) as client:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.post("/cancelled"), 0.1)
            assert postgres.engine.pool.checkedout() == 0
        url = postgres._settings.url.get_secret_value()

        async def all_ended() -> bool:
            return (await asyncio.to_thread(execute, url, OPEN))[0][0] == 0

        await eventually(all_ended)
        assert (await client.get("/items")).json() == []
