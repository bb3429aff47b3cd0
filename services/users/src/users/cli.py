"""The `users` command: what operators do with signing keys and roles."""

import asyncio
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Annotated, NoReturn

import typer
from chassis_core.concern import Service
from chassis_core.concerns.database import Database
from chassis_core.concerns.logs import Pipeline, use_pipeline
from sqlalchemy.exc import SQLAlchemyError

from users.accounts import change_roles
from users.keys import RotationRefused, Vault, revoke, rotate, stored_keys
from users.settings import Settings

commands = typer.Typer(no_args_is_help=True, help="Operate the users service.")
keys = typer.Typer(no_args_is_help=True, help="Look at the signing keys, rotate and revoke them.")
commands.add_typer(keys, name="keys")
roles = typer.Typer(no_args_is_help=True, help="Give a user roles, and take them away.")
commands.add_typer(roles, name="roles")


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


# A key id is base64, so it may start with a dash.
@keys.command("revoke", context_settings={"ignore_unknown_options": True})
def revoke_key(kid: str) -> None:
    """Take a stolen key away: none of its tokens is believed, whoever signed them."""

    async def take(settings: Settings, database: Database) -> None:
        active = await revoke(database, Vault(settings.keys.encryption_key), kid)
        typer.echo(f"{kid} is revoked, {active.kid} signs now")

    _run(take)


@roles.command("grant")
def grant_role(email: str, role: str) -> None:
    """Give a user a role: it is in the tokens they get from now on."""
    _run(partial(_change_roles, email, {role}, set()))


@roles.command("revoke")
def revoke_role(email: str, role: str) -> None:
    """Take a role from a user; an access token that has it stays good until it expires."""
    _run(partial(_change_roles, email, set(), {role}))


async def _change_roles(
    email: str,
    granted: AbstractSet[str],
    revoked: AbstractSet[str],
    _: Settings,
    database: Database,
) -> None:
    try:
        held = await change_roles(database, email, granted=granted, revoked=revoked)
    except ValueError as error:
        _fail(str(error))
    if held is None:
        _fail("there is no user with this email")
    typer.echo(f"roles: {' '.join(held) or 'none'}")


def _run(work: Callable[[Settings, Database], Awaitable[None]]) -> None:
    try:
        asyncio.run(_with_database(work))
    except RotationRefused as refused:
        _fail(f"the keys stay as they are: {refused}")
    except SQLAlchemyError as error:
        _fail(f"USERS_DATABASE__URL: down or not migrated ({type(error).__name__})")


def _fail(reason: str) -> NoReturn:
    typer.echo(reason, err=True)
    raise typer.Exit(1)


async def _with_database(work: Callable[[Settings, Database], Awaitable[None]]) -> None:
    settings = Settings()
    service = Service(settings.name, settings.version, settings.environment)
    use_pipeline(Pipeline(settings.logs, service=service))
    database = Database(settings.database)
    try:
        await database.open()
        await work(settings, database)
    finally:
        await database.close()


def main() -> None:
    """Run the command line."""
    commands()
