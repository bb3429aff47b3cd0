"""`chassis migrate`: bring the database of a service to what its code expects."""

import asyncio
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer

from chassis_core import migrations
from chassis_core.settings import ServiceSettings

GROUP = "chassis.services"


def migrate(
    service: Annotated[str, typer.Argument(help="The service's name, such as orders.")],
    *,
    to: Annotated[str, typer.Option(help="The revision to migrate up to.")] = "head",
    down: Annotated[str, typer.Option(help="Migrate down to this revision instead.")] = "",
    check: Annotated[bool, typer.Option("--check", help="Only compare models and schema.")] = False,
    new: Annotated[str, typer.Option(help="Write a migration with this message.")] = "",
    lock_timeout: Annotated[
        float, typer.Option(help="Seconds to wait for another process that migrates.")
    ] = 60.0,
) -> None:
    """Migrate a service's database. Any number of these may run at once."""
    settings, directory = _service(service)
    try:
        if check:
            asyncio.run(migrations.check(settings.database, directory))
            typer.echo(f"{service}: the models and the database agree")
        elif new:
            asyncio.run(migrations.new(settings.database, directory, message=new))
        else:
            step = migrations.downgrade if down else migrations.upgrade
            moved = asyncio.run(
                step(settings.database, directory, to=down or to, lock_timeout=lock_timeout)
            )
            typer.echo(f"{service}: {_told(moved)}")
    except (migrations.Drift, migrations.LockedOut) as error:
        raise SystemExit(f"{service}: {error}") from error


def _told(moved: migrations.Moved) -> str:
    if moved.before == moved.after:
        return f"already at {moved.after}"
    return f"migrated from {moved.before or 'nothing'} to {moved.after or 'nothing'}"


def _service(name: str) -> tuple[ServiceSettings, Path]:
    known = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in known:
        raise SystemExit(f"no service {name!r} is installed; there are: {', '.join(known)}")
    package = known[name].module.partition(".")[0]
    settings: ServiceSettings = import_module(f"{package}.settings").Settings()
    directory = migrations.migrations_of(type(settings))
    if directory is None:
        raise SystemExit(f"{name} has no migrations/env.py in its package {package!r}")
    return settings, directory
