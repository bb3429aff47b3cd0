"""The connection that migrates, held by one process at a time."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chassis_core.concerns.database import DatabaseSettings, sqlite
from chassis_core.concerns.database.engine import engine
from chassis_core.concerns.database.errors import unavailable

KEY = 0x6368_6173_7369_7300
"""Key of the advisory lock: "chassis" in ASCII. It is the database's own, so one will do."""
POLL = 0.1
"""Seconds between two tries."""
DDL_LOCK_TIMEOUT = 0.5
"""Seconds a migration waits for a table before it stands back and tries again: all who come after
it wait behind it, and requests wait for a lock no longer than a second."""


class LockedOut(Exception):
    """Another process held the migration lock for the whole time."""


def exclusive(
    settings: DatabaseSettings, *, timeout: float
) -> AbstractAsyncContextManager[AsyncConnection]:
    """Connect to the database as the only one that migrates it.

    Args:
        settings: of the database; its statement timeout does not apply.
        timeout: seconds to wait for others.

    Raises:
        LockedOut: they took longer.
    """
    if settings.address.get_backend_name() == "sqlite":
        return _sqlite(settings, timeout)
    return _postgresql(settings, timeout)


@asynccontextmanager
async def _sqlite(settings: DatabaseSettings, timeout: float) -> AsyncIterator[AsyncConnection]:
    sqlite.make_folder(settings)
    async with connected(settings, lock_timeout=timeout) as made:
        # A table is altered by making it anew: dropping the old one must not cascade.
        event.listen(made.sync_engine, "connect", _keys_off)
        async with made.connect() as connection:
            try:
                await connection.begin()
            except OperationalError as error:
                raise LockedOut(_words(timeout)) if unavailable(error) else error from error
            yield connection
            if (await connection.execute(text("PRAGMA foreign_key_check"))).first() is not None:
                raise RuntimeError("the migration leaves rows that refer to missing ones")
            await connection.commit()


def _keys_off(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA foreign_keys = OFF").close()


@asynccontextmanager
async def _postgresql(settings: DatabaseSettings, timeout: float) -> AsyncIterator[AsyncConnection]:
    impatient = connected(settings, lock_timeout=DDL_LOCK_TIMEOUT)
    async with impatient as made, made.connect() as keeper, made.connect() as connection:
        event.listen(made.sync_engine, "before_cursor_execute", _wait_if_concurrent)
        # Outside of a transaction, lest it hinder an index that is built concurrently.
        await keeper.execution_options(isolation_level="AUTOCOMMIT")
        await _acquire(keeper, timeout)
        yield connection
        await keeper.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": KEY})


def _wait_if_concurrent(_c: Any, cursor: Any, statement: str, *_: Any) -> None:
    # It waits for every transaction that is older, and nobody waits behind it.
    if "CONCURRENTLY" in statement.upper():
        cursor.execute("SET lock_timeout = 0")


async def _acquire(keeper: AsyncConnection, timeout: float) -> None:
    # Asking again and again, not waiting in the server: a waiter's snapshot would block the same
    # concurrent index that the holder waits for.
    deadline = time.monotonic() + timeout
    while not await keeper.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": KEY}):
        if time.monotonic() > deadline:
            raise LockedOut(_words(timeout))
        await asyncio.sleep(POLL)


def _words(timeout: float) -> str:
    return f"another process has been migrating this database for more than {timeout:g} s"


@asynccontextmanager
async def connected(
    settings: DatabaseSettings, *, lock_timeout: float
) -> AsyncIterator[AsyncEngine]:
    """Yield an engine whose statements may take as long as they need."""
    patient = {
        "statement_timeout": 0.0,
        "idle_in_transaction_timeout": 0.0,
        "lock_timeout": lock_timeout,
    }
    made = engine(settings.model_copy(update=patient), application="chassis migrate")
    try:
        yield made
    finally:
        await made.dispose()
