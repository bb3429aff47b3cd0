"""`chassis migrate`: bring the database of a service to what its code expects."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated

import typer
from alembic.util.exc import CommandError
from sqlalchemy.exc import DBAPIError

from chassis_core import migrations
from chassis_core.cli.services import ServiceName, create
from chassis_core.concerns.database import DatabaseSettings, schema


def migrate(
    service: ServiceName,
    *,
    to: Annotated[str, typer.Option(help="The revision to migrate up to.")] = "head",
    down: Annotated[str, typer.Option(help="Migrate down to this revision instead.")] = "",
    check: Annotated[bool, typer.Option("--check", help="Only compare models and schema.")] = False,
    new: Annotated[str, typer.Option(help="Write a migration with this message.")] = "",
    lock_timeout: Annotated[
        float, typer.Option(help="Seconds to wait for another process that migrates.")
    ] = migrations.LOCK_TIMEOUT,
) -> None:
    """Migrate a service's database. Any number of these may run at once."""
    database, directory = _database(service)
    work: Coroutine[None, None, migrations.Moved | None]
    if check:
        work = migrations.check(database, directory)
    elif new:
        work = migrations.new(database, directory, message=new)
    elif down:
        work = migrations.downgrade(database, directory, to=down, lock_timeout=lock_timeout)
    else:
        work = migrations.upgrade(database, directory, to=to, lock_timeout=lock_timeout)
    typer.echo(f"{service}: {_line(_done(service, work), directory)}")


def _done(
    service: str, work: Coroutine[None, None, migrations.Moved | None]
) -> migrations.Moved | None:
    try:
        return asyncio.run(work)
    except (migrations.Drift, migrations.LockedOut, CommandError) as error:
        raise SystemExit(f"{service}: {error}") from error
    except DBAPIError as error:
        raise SystemExit(f"{service}: the database refuses: {error.orig}") from error


def _line(moved: migrations.Moved | None, directory: Path) -> str:
    if moved is None:
        return "done"
    if schema.is_ahead(schema.script(directory), moved.after):
        return f"left at {moved.after}, which is not known here: newer code has migrated"
    if moved.before == moved.after:
        return f"already at {moved.after}"
    return f"migrated from {moved.before or 'nothing'} to {moved.after or 'nothing'}"


def _database(service: str) -> tuple[DatabaseSettings, Path]:
    settings = create(service).settings
    directory = migrations.migrations_of(type(settings))
    if directory is None:
        raise SystemExit(f"{service}: there is no migrations/env.py beside its settings")
    if settings.database.in_memory:
        raise SystemExit(f"{service}: its database is in memory; set database.url")
    return settings.database, directory
