"""The engine of one service: its pool, its units of work, and its probe."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from opentelemetry.trace import NoOpTracer, Tracer
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from chassis_core.concerns.database import postgresql, sqlite
from chassis_core.concerns.database.reads import Reads
from chassis_core.concerns.database.settings import DatabaseSettings
from chassis_core.concerns.database.telemetry import MeteredPool, PoolMetrics, Statements
from chassis_core.problem import Problem

Gone = Callable[[], Awaitable[bool]]
Check = Callable[[Connection], None]


class ClientGone(Problem):
    """The client went away before its work was committed; nothing was (nginx calls it 499)."""

    status = 499


class Database:
    """One database of one service. It connects when first used."""

    def __init__(
        self,
        settings: DatabaseSettings,
        *,
        registry: CollectorRegistry | None = None,
        tracer: Tracer | None = None,
        application: str = "chassis",
    ) -> None:
        self._settings = settings
        self.engine = engine(settings, application=application)
        """The engine, for what a session cannot do. Its connections are not units of work."""
        PoolMetrics(self.engine.sync_engine, registry)
        Statements(tracer or NoOpTracer(), registry, settings.address).listen(
            self.engine.sync_engine
        )
        self._sessions = _sessions(self.engine)
        self._readers = _sessions(
            self.engine.execution_options(sqlite_begin=sqlite.READS), sync_session_class=Reads
        )
        self._probe = self.engine
        if not settings.in_memory:
            # Its own connection: a pool that is busy does not make the database unreachable.
            one = {"pool_size": 1, "max_overflow": 0}
            self._probe = engine(settings, application=application, **one)
        self._asked: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def session(
        self, *, read_only: bool = False, gone: Gone | None = None
    ) -> AsyncIterator[AsyncSession]:
        """Open a unit of work: committed at the end, rolled back on any error.

        It takes a connection at its first statement, not before.

        Args:
            read_only: it is not going to write; on SQLite it then waits for no writer, and on
                PostgreSQL the loss of its connection before the first answer goes unseen.
            gone: asked before the commit; if it says yes, nothing is committed.

        Raises:
            ClientGone: `gone` said yes.
        """
        session = (self._readers if read_only else self._sessions)()
        try:
            yield session
            if session.in_transaction():
                await _commit(session, gone)
        except BaseException:
            # Rolls back and returns the connection, even if cancelled meanwhile.
            async with session:
                raise
        # Nothing is open any more: no need for a task to close it in.
        session.sync_session.close()

    async def ping(self, check: Check | None = None) -> None:
        """Ask the database whether it answers, over a connection kept for that.

        Args:
            check: asked too, with that connection.

        Raises:
            TimeoutError: no answer within `ready_timeout`.
        """
        # A connection that hangs takes its time to be given up: that is not awaited here.
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(self._ask(check))
            self._asked.add_done_callback(lambda task: task.cancelled() or task.exception())
        asked, limit = self._asked, self._settings.ready_timeout
        await asyncio.wait({asked}, timeout=limit)
        if not asked.done() or asked.cancelled():
            asked.cancel()
            raise TimeoutError(f"the database gave no answer within {limit:g} s")
        asked.result()

    async def _ask(self, check: Check | None) -> None:
        async with self._probe.execution_options(sqlite_begin=sqlite.READS).connect() as connection:
            await connection.execute(text("SELECT 1"))
            if check is not None:
                await connection.run_sync(check)

    async def open(self) -> None:
        """Make ready to connect; the database itself may come later."""
        if self.engine.dialect.name == "sqlite":
            sqlite.make_folder(self._settings)

    async def close(self) -> None:
        """Close the connections."""
        if self._asked is not None and not self._asked.done():
            self._asked.cancel()
            await asyncio.wait({self._asked})
        await self._probe.dispose()
        await self.engine.dispose()


async def _commit(session: AsyncSession, gone: Gone | None) -> None:
    if gone is not None and await gone():
        raise ClientGone
    await session.commit()


def engine(settings: DatabaseSettings, *, application: str, **overrides: Any) -> AsyncEngine:
    """Return an engine for the store that the URL names, without connecting."""
    url = settings.address
    options: dict[str, Any] = {
        "poolclass": MeteredPool,
        "pool_size": settings.pool_size,
        "max_overflow": settings.max_overflow,
        "pool_timeout": settings.pool_timeout,
        "pool_recycle": settings.pool_recycle,
        "pool_pre_ping": settings.pool_pre_ping,
        "hide_parameters": True,
    }
    if url.get_backend_name() == "sqlite":
        made = create_async_engine(url, **options | sqlite.options(settings) | overrides)
        sqlite.listen(made.sync_engine, settings)
    else:
        options |= postgresql.options(settings, application)
        made = create_async_engine(url, **options | overrides)
        postgresql.listen(made.sync_engine)
    return made


def _sessions(bind: AsyncEngine, **kind: Any) -> async_sessionmaker[AsyncSession]:
    # A session used after its unit of work would take a connection that nobody gives back.
    return async_sessionmaker(bind, expire_on_commit=False, close_resets_only=False, **kind)
