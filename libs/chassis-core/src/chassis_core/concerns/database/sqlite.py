"""SQLite made to behave as a server does: real transactions, enforced keys, waiting writers."""

import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, PoolResetState, event

from chassis_core.concerns.database.settings import DatabaseSettings

WRITES = "IMMEDIATE"
READS = "DEFERRED"
PAUSE = 0.005
"""Seconds until the file is asked again whether it has its log."""


def options(settings: DatabaseSettings) -> dict[str, Any]:
    """Return the arguments of `create_async_engine` for SQLite."""
    if settings.in_memory:
        # The one connection is the database: shared, it would mix transactions; recycled, be lost.
        pool = {"pool_size": 1, "max_overflow": 0, "pool_recycle": -1}
        return {**pool, "pool_timeout": max(5.0, settings.pool_timeout)}
    return {}


def listen(engine: Engine, settings: DatabaseSettings) -> None:
    """Set every connection of `engine` up, and let it begin its transactions itself."""
    pragmas = (
        f"PRAGMA busy_timeout = {int(settings.lock_timeout * 1000)}",
        "PRAGMA synchronous = NORMAL",
        "PRAGMA foreign_keys = ON",
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:
        # The driver would begin before a write only, and never before a read or DDL.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        _write_ahead(cursor, settings.lock_timeout)
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A reader that turns writer fails at once when another wrote meanwhile: ask first.
        mode = connection.get_execution_options().get("sqlite_begin", WRITES)
        connection.exec_driver_sql(f"BEGIN {mode}")

    @event.listens_for(engine, "reset")
    def end(connection: Any, _record: Any, state: PoolResetState) -> None:
        # A commit that fails leaves the transaction open, and SQLAlchemy takes it for ended.
        if state.asyncio_safe and connection.driver_connection.in_transaction:
            connection.rollback()


def _write_ahead(cursor: Any, patience: float) -> None:
    # Of several that turn a new file into one with a log, SQLite makes all but one fail at once.
    deadline = time.monotonic() + patience
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(PAUSE)
        else:
            return


def make_folder(settings: DatabaseSettings) -> None:
    """Create the folder of the database file, if it is not there."""
    if not settings.in_memory:
        Path(settings.address.database or "").parent.mkdir(parents=True, exist_ok=True)
