"""The `users` command: what operators do with the signing keys."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, NoReturn

import typer
from chassis_core.concerns.database import Database
from sqlalchemy.exc import SQLAlchemyError

from users.keys import RotationRefused, Vault, rotate, stored_keys
from users.settings import Settings

commands = typer.Typer(no_args_is_help=True, help="Operate the users service.")
keys = typer.Typer(no_args_is_help=True, help="Look at the signing keys, and rotate them.")
commands.add_typer(keys, name="keys")


@keys.command("list")
def list_keys() -> None:
    """Show every signing key: its state and since when it has it."""

    async def show(_: Settings, database: Database) -> None:
        for key in await stored_keys(database):
            since = key.retired_at or key.activated_at or key.created_at
            typer.echo(f"{key.kid}  {key.state:<7}  since {since:%Y-%m-%dT%H:%M:%SZ}")

    _run(show)


@keys.command("rotate")
def rotate_keys(
    now: Annotated[
        bool, typer.Option("--now", help="Even if others may not have seen the next key yet.")
    ] = False,
) -> None:
    """Sign with the next key from now on; tokens of the old one stay good until they expire."""

    async def turn(settings: Settings, database: Database) -> None:
        wait = 0 if now else settings.keys.max_age + settings.keys.poll_interval
        vault = Vault(settings.keys.encryption_key)
        active = await rotate(database, vault, published_for=wait)
        typer.echo(f"{active.kid} signs now")

    _run(turn)


def _run(work: Callable[[Settings, Database], Awaitable[None]]) -> None:
    try:
        asyncio.run(_with_database(work))
    except RotationRefused as refused:
        _fail(f"not rotated: {refused}")
    except SQLAlchemyError as error:
        _fail(f"USERS_DATABASE__URL: down or not migrated ({type(error).__name__})")


def _fail(reason: str) -> NoReturn:
    typer.echo(reason, err=True)
    raise typer.Exit(1)


async def _with_database(work: Callable[[Settings, Database], Awaitable[None]]) -> None:
    settings = Settings()
    database = Database(settings.database)
    try:
        await database.open()
        await work(settings, database)
    finally:
        await database.close()


def main() -> None:
    """Run the command line."""
    commands()
