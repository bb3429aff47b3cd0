import asyncio
from contextlib import suppress

import pytest
from chassis_core import Session
from chassis_core.concerns.database import Database, DatabaseSettings
from chassis_core.problem import Conflict
from chassis_core.testing import running
from fastapi import APIRouter, BackgroundTasks, HTTPException, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import text
from sqlalchemy.exc import InvalidRequestError

router = APIRouter()
INSERT = text("INSERT INTO items (name) VALUES (:name)")
FAILURES = {
    "bug": RuntimeError("bug"),
    "problem": Conflict("no"),
    "refusal": HTTPException(403),
}


@router.post("/failing/{kind}")
async def fail(kind: str, session: Session) -> None:
    await session.execute(INSERT, {"name": kind})
    raise FAILURES[kind]


@router.post("/unserialisable")
async def answer_nonsense(session: Session) -> int:
    await session.execute(INSERT, {"name": "nonsense"})
    return "not a number"  # type: ignore[return-value]


@router.get("/idle")
async def idle(session: Session, request: Request) -> int:
    return request.state.database.engine.pool.checkedout()


@router.get("/late/stream")
async def stream(session: Session) -> StreamingResponse:
    async def body():
        with pytest.raises(InvalidRequestError, match="closed"):
            await session.execute(text("SELECT 1"))
        yield "refused"

    return StreamingResponse(body())


@router.get("/late/task")
async def background(session: Session, tasks: BackgroundTasks, request: Request) -> str:
    async def task() -> None:
        with pytest.raises(InvalidRequestError, match="closed"):
            await session.execute(text("SELECT 1"))
        async with request.state.database.session() as own:
            await own.execute(INSERT, {"name": "task"})

    tasks.add_task(task)
    return "accepted"


async def test_a_request_that_succeeds_is_committed(db: Database, app_on) -> None:
    async with running(app_on(db)) as client:
        assert (await client.post("/items/a")).status_code == 201
        assert (await client.get("/items")).json() == ["a"]
        assert db.engine.pool.checkedout() == 0


@pytest.mark.parametrize("kind, status", [("problem", 409), ("refusal", 403), ("bug", 500)])
async def test_a_request_that_fails_is_rolled_back(db, app_on, kind: str, status: int) -> None:
    async with running(app_on(db, router)) as client:
        assert (await client.post(f"/failing/{kind}")).status_code == status
        assert (await client.get("/items")).json() == []
        assert db.engine.pool.checkedout() == 0


async def test_an_answer_that_cannot_be_serialised_is_rolled_back(db: Database, app_on) -> None:
    async with running(app_on(db, router)) as client:
        assert (await client.post("/unserialisable")).status_code == 500
        assert (await client.get("/items")).json() == []


async def test_a_request_that_runs_no_statement_takes_no_connection(db: Database, app_on) -> None:
    async with running(app_on(db, router)) as client:
        assert (await client.get("/idle")).json() == 0


async def test_a_session_cannot_be_used_after_the_answer(db: Database, app_on) -> None:
    async with running(app_on(db, router)) as client:
        assert (await client.get("/late/stream")).text == "refused"
        assert (await client.get("/late/task")).json() == "accepted"
        assert (await client.get("/items")).json() == ["task"]
        assert db.engine.pool.checkedout() == 0


async def test_a_savepoint_that_fails_leaves_the_rest(db: Database) -> None:
    async with db.session() as session:
        await session.execute(INSERT, {"name": "kept"})
        with suppress(RuntimeError):
            async with session.begin_nested():
                await session.execute(INSERT, {"name": "lost"})
                raise RuntimeError
    async with db.session(read_only=True) as session:
        assert list(await session.scalars(text("SELECT name FROM items"))) == ["kept"]


async def test_schema_changes_are_part_of_the_transaction(db: Database) -> None:
    with suppress(RuntimeError):
        async with db.session() as session:
            await session.execute(text("CREATE TABLE others (id INTEGER)"))
            raise RuntimeError
    async with db.session() as session:
        await session.execute(text("CREATE TABLE others (id INTEGER)"))


async def test_writers_that_read_first_all_succeed(db: Database) -> None:
    async with db.session() as session:
        await session.execute(text("CREATE TABLE counter (n INTEGER)"))
        await session.execute(text("INSERT INTO counter VALUES (0)"))

    async def count() -> None:
        async with db.session() as session:
            await session.scalar(text("SELECT n FROM counter"))
            await session.execute(text("UPDATE counter SET n = n + 1"))

    await asyncio.gather(*(count() for _ in range(8)))
    async with db.session(read_only=True) as session:
        assert await session.scalar(text("SELECT n FROM counter")) == 8


async def test_a_reader_does_not_wait_for_a_writer(db: Database) -> None:
    async with db.session() as writer:
        await writer.execute(INSERT, {"name": "new"})
        async with db.session(read_only=True) as reader:
            assert await reader.scalar(text("SELECT count(*) FROM items")) == 0


async def test_foreign_keys_are_enforced(db: Database, app_on) -> None:
    refers = "CREATE TABLE parts (item VARCHAR(10) REFERENCES items (name))"
    async with db.session() as session:
        await session.execute(text(refers))
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        async with db.session() as session:
            await session.execute(text("INSERT INTO parts VALUES ('none')"))


async def test_a_database_in_memory_keeps_transactions_apart() -> None:
    db = Database(DatabaseSettings())
    async with db.session() as session:
        await session.execute(text("CREATE TABLE items (name TEXT)"))

    async def add(name: str, *, fail: bool) -> None:
        async with db.session() as session:
            await session.execute(INSERT, {"name": name})
            await asyncio.sleep(0)
            if fail:
                raise RuntimeError

    work = [add(str(n), fail=bool(n % 2)) for n in range(6)]
    await asyncio.gather(*work, return_exceptions=True)
    async with db.session() as session:
        assert sorted(await session.scalars(text("SELECT name FROM items"))) == ["0", "2", "4"]
    await db.close()
