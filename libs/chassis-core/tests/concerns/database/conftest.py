from collections.abc import AsyncIterator, Callable

import pytest
from chassis_core import App, Session, compose
from chassis_core.concerns.database import Database, DatabaseSettings, database
from chassis_core.concerns.errors import errors
from fastapi import APIRouter
from sqlalchemy import text

AppOn = Callable[..., App]


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """A database on either store, with a table `items`."""
    db = await opened(DatabaseSettings(url=database_url))
    yield db
    await db.close()


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[Database]:
    """A PostgreSQL database with a table `items`, two connections and short patience."""
    limits = {"pool_size": 2, "max_overflow": 0, "pool_timeout": 0.2, "statement_timeout": 1}
    db = await opened(DatabaseSettings(url=postgres_url, **limits))
    yield db
    await db.close()


async def opened(settings: DatabaseSettings) -> Database:
    db = Database(settings)
    async with db.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE items (name VARCHAR(10) PRIMARY KEY)"))
    return db


@pytest.fixture
def app_on() -> AppOn:
    """Compose an app on a database: `POST /items/{name}`, `GET /items`, and more routers."""

    def make(db: Database, *routers: APIRouter) -> App:
        own = database(db._settings, database=db)
        return compose([own, errors()], routers=[items(), *routers])

    return make


def items() -> APIRouter:
    router = APIRouter()

    @router.post("/items/{name}", status_code=201)
    async def add(name: str, session: Session) -> str:
        await session.execute(text("INSERT INTO items (name) VALUES (:name)"), {"name": name})
        return name

    @router.get("/items")
    async def get(session: Session) -> list[str]:
        return list(await session.scalars(text("SELECT name FROM items ORDER BY name")))

    return router
