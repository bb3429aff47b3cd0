"""The `Session` of a request, and the concern that makes it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from chassis_core.concern import Concern
from chassis_core.concerns.database.diagnosis import diagnose
from chassis_core.concerns.database.engine import Database
from chassis_core.concerns.database.errors import handlers
from chassis_core.concerns.database.schema import Gate
from chassis_core.concerns.database.settings import DatabaseSettings

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


async def unit_of_work(request: Request) -> AsyncIterator[AsyncSession]:
    """Open the unit of work of `request`."""
    database: Database = request.state.database
    safe = request.method in SAFE
    async with database.session(read_only=safe, gone=request.is_disconnected) as session:
        yield session


Session = Annotated[AsyncSession, Depends(unit_of_work, scope="function")]
"""The unit of work of a request.

It is committed after the handler has returned and its answer is serialised, but before a byte of
the answer is sent; any exception, a client gone or a deadline rolls it back. It ends there:
background tasks and streamed bodies run later, and open their own by
`async with request.state.database.session()`.
"""


def database(
    settings: DatabaseSettings,
    *,
    database: Database | None = None,
    migrations: Path | None = None,
) -> Concern:
    """Return the database concern.

    Args:
        settings: of the database.
        database: to share one that exists, or one with metrics and spans; else it is made.
        migrations: the service's migrations; it is not ready while the database is behind them.
    """
    opened = database or Database(settings)
    check = Gate(migrations).check if migrations is not None else None

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[Mapping[str, Any]]:
        try:
            await opened.open()
            yield {"database": opened}
        finally:
            await opened.close()

    async def ready() -> None:
        await opened.ping(check)

    return Concern(
        name="database",
        error_handlers=handlers(),
        lifespan=lifespan,
        ready=ready,
        diagnose=partial(diagnose, settings, migrations),
    )
