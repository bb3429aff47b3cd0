"""A database with the tables of both sides and one of effects, and a real Redis."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from chassis_core.concerns.database import Database, DatabaseSettings
from chassis_core.concerns.outbox import (
    Outbox,
    OutboxSettings,
    Relay,
    Stream,
    inbox_events,
    outbox_events,
)
from chassis_core.concerns.redis import Redis, RedisSettings
from prometheus_client import CollectorRegistry
from sqlalchemy import MetaData, text

STREAM = "test:events"
TABLES = MetaData()
EVENTS = outbox_events(TABLES)
NOTES = inbox_events(TABLES)


def replica(url: str, *, lock_timeout: float = 10) -> Database:
    """Return the database as one replica of the service has it."""
    return Database(DatabaseSettings(url=url, lock_timeout=lock_timeout, pool_timeout=10))


async def opened(url: str) -> Database:
    database = replica(url)
    async with database.engine.begin() as connection:
        await connection.run_sync(TABLES.create_all)
        await connection.execute(text("CREATE TABLE effects (name VARCHAR(255))"))
    return database


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await opened(database_url)
    yield database
    await database.close()


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[Database]:
    database = await opened(postgres_url)
    yield database
    await database.close()


@pytest.fixture
async def impatient(postgres: Database, postgres_url: str) -> AsyncIterator[Database]:
    """The same database as another replica has it, which waits for no lock."""
    database = replica(postgres_url, lock_timeout=0.05)
    yield database
    await database.close()


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Redis]:
    store = Redis(RedisSettings(url=redis_url, timeout=2))
    await store.open()
    yield store
    await store.aclose()


@pytest.fixture
def settings() -> OutboxSettings:
    return OutboxSettings(enabled=True, poll=0.05, batch=10, longest_pause=0.2)


@pytest.fixture
def outbox(settings: OutboxSettings) -> Outbox:
    """What adds events; nobody is woken by it."""
    return Outbox(settings, wake=lambda: None)


@pytest.fixture
def relay_on(settings: OutboxSettings, store: Redis) -> Callable[..., Relay]:
    """Make a relay of a database, and another one for each replica of the service."""

    def make(
        database: Database, registry: CollectorRegistry | None = None, store: Any = store
    ) -> Relay:
        stream = Stream(store, STREAM, length=settings.stream_length)
        return Relay(settings, database=database, stream=stream, source="/test", registry=registry)

    return make


async def add(database: Database, outbox: Outbox, subject: str, number: Any) -> None:
    """Change something and tell of it."""
    async with database.session() as session:
        name = f"{subject}-{number}"
        await session.execute(text("INSERT INTO effects VALUES (:name)"), {"name": name})
        await outbox.add(session, "thing.changed", subject=subject, data=number)


async def published(store: Redis, stream: str = STREAM) -> list[dict[str, bytes]]:
    """Return the fields of all entries."""
    entries = await store.client.xrange(stream)
    return [{key.decode(): value for key, value in fields.items()} for _, fields in entries]


async def numbers(store: Redis) -> list[tuple[str, int]]:
    """Return subject and data of all entries."""
    return [(e["subject"].decode(), int(e["data"])) for e in await published(store)]


async def count(database: Database, what: str) -> int:
    async with database.session(read_only=True) as session:
        return int(await session.scalar(text(f"SELECT count(*) FROM {what}")) or 0)
