from collections.abc import AsyncIterator

import pytest
from chassis_core import App, compose
from chassis_core.concerns.database import Database, DatabaseSettings, Session, database
from chassis_core.problem import Conflict
from chassis_core.testing import running
from fastapi import APIRouter, Request
from sqlalchemy import text

router = APIRouter()


@router.post("/items/{name}", status_code=201)
async def add(name: str, session: Session) -> str:
    await session.execute(text("INSERT INTO items (name) VALUES (:name)"), {"name": name})
    if name == "problem":
        raise Conflict("no")
    if name == "bug":
        raise RuntimeError("bug")
    return name


@router.get("/items")
async def items(session: Session) -> list[str]:
    return list(await session.scalars(text("SELECT name FROM items ORDER BY name")))


@router.get("/idle")
async def idle(session: Session, request: Request) -> int:
    return request.state.database.engine.pool.checkedout()


def app_on(settings: DatabaseSettings, db: Database) -> App:
    return compose([database(settings, database=db)], routers=[router])


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    db = Database(DatabaseSettings(url=database_url))
    async with db.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE items (name VARCHAR(10) PRIMARY KEY)"))
    yield db
    await db.close()


async def test_a_request_that_succeeds_is_committed(db: Database) -> None:
    async with running(app_on(db._settings, db)) as client:
        assert (await client.post("/items/a")).status_code == 201
        assert (await client.get("/items")).json() == ["a"]
        assert db.engine.pool.checkedout() == 0


@pytest.mark.parametrize("name, status", [("problem", 409), ("bug", 500)])
async def test_a_request_that_fails_is_rolled_back(db: Database, name: str, status: int) -> None:
    async with running(app_on(db._settings, db)) as client:
        assert (await client.post(f"/items/{name}")).status_code == status
        assert (await client.get("/items")).json() == []
        assert db.engine.pool.checkedout() == 0


async def test_a_request_that_runs_no_statement_takes_no_connection(db: Database) -> None:
    async with running(app_on(db._settings, db)) as client:
        assert (await client.get("/idle")).json() == 0
