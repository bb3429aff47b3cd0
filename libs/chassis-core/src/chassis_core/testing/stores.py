"""Fixtures of real stores: one server for each test process, one empty database for each test."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from chassis_core.testing.servers import Missing, PostgresServer, RedisServer, fresh_database
from chassis_core.testing.servers import postgres as postgres_server
from chassis_core.testing.servers import redis as redis_server

Kind = TypeVar("Kind", PostgresServer, RedisServer)


@pytest.fixture(scope="session")
def _postgres() -> Iterator[str]:
    yield from _served(PostgresServer, postgres_server.ENVIRONMENT)


@pytest.fixture(scope="session")
def _redis() -> Iterator[str]:
    yield from _served(RedisServer, redis_server.ENVIRONMENT)


@pytest.fixture
def postgres_url(_postgres: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database of this test alone."""
    with fresh_database(_postgres) as url:
        yield url


@pytest.fixture
def redis_url(_redis: str) -> str:
    """The URL of an empty Redis database."""
    redis_server.empty(_redis)
    return _redis


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of these tests alone, to kill, to pause and to start again."""
    yield from _server(PostgresServer)


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis server of this test alone, to kill, to pause and to start again."""
    yield from _server(RedisServer)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once on each store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


def _served(kind: type[Kind], environment: str) -> Iterator[str]:
    if given := os.environ.get(environment):
        yield given
        return
    for server in _server(kind):
        yield server.url


def _server(kind: type[Kind]) -> Iterator[Kind]:
    try:
        server = kind()
    except Missing as missing:
        pytest.skip(str(missing))
    with server:
        yield server
