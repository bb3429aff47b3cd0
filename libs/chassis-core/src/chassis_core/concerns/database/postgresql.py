"""PostgreSQL through asyncpg: limits that both ends keep, and losses noticed at once."""

import asyncio
import time
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, DisconnectionError

from chassis_core.concerns.database.settings import DatabaseSettings

GRACE = 0.25
"""Seconds that a server has to report its own time-out before the client gives it up."""
AGAIN = 0.05
"""Seconds between two attempts to connect."""


def options(settings: DatabaseSettings, application: str) -> dict[str, Any]:
    """Return the arguments of `create_async_engine` for PostgreSQL."""
    limit = settings.statement_timeout
    args: dict[str, Any] = {
        "async_creator_fn": connect,
        "patience": settings.pool_timeout,
        "timeout": settings.connect_timeout,
        # A stopped server cancels nothing: only the client's clock ends the wait.
        "command_timeout": limit + GRACE if limit else None,
        "server_settings": server_settings(settings, application),
    }
    if not settings.prepared_statements:
        args |= {
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
            # Unnamed ones are parsed with each execution, and none stays behind in the server.
            "prepared_statement_name_func": lambda: "",
        }
    return {"connect_args": args}


def server_settings(settings: DatabaseSettings, application: str) -> dict[str, str]:
    """Return the session parameters that each connection starts with, zeros left out."""
    if not settings.session_limits:
        return {"application_name": application}
    seconds = {
        "statement_timeout": settings.statement_timeout,
        "lock_timeout": settings.lock_timeout,
        "idle_in_transaction_session_timeout": settings.idle_in_transaction_timeout,
    }
    limits = {name: str(int(value * 1000)) for name, value in seconds.items() if value}
    return {"application_name": application, **limits}


async def connect(*, patience: float, **arguments: Any) -> Any:
    """Open a connection; whatever stops it is one error of the driver's own family.

    Args:
        patience: seconds for which a server that refuses is asked again. A restart takes less, and
            nothing has been asked of it yet that could happen twice.
        arguments: of `asyncpg.connect`.

    Raises:
        asyncpg.ClientCannotConnectError: refused, unreachable, unknown host or too slow.
    """
    import asyncpg

    deadline = time.monotonic() + patience
    while True:
        try:
            return await asyncpg.connect(**arguments)
        except OSError as error:
            if not isinstance(error, ConnectionError) or time.monotonic() > deadline:
                reason = str(error) or "timed out"
                raise asyncpg.ClientCannotConnectError(f"cannot connect: {reason}") from error
        except (
            asyncpg.CannotConnectNowError,
            asyncpg.ConnectionDoesNotExistError,
            asyncpg.TooManyConnectionsError,
        ):
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(AGAIN)


def listen(engine: Engine) -> None:
    """Notice connections that the server has closed, and give up those that hang."""

    @event.listens_for(engine, "checkout")
    def refuse_closed(connection: Any, _record: Any, _proxy: Any) -> None:
        if connection.driver_connection.is_closed():
            raise DisconnectionError("the server has closed this connection")

    @event.listens_for(engine, "handle_error")
    def give_up(context: ExceptionContext) -> DBAPIError | None:
        error = context.original_exception
        if not isinstance(error, OSError) or context.connection is None:
            return None
        context.is_disconnect = True
        # Without this, the pool would wait for a polite good-bye of a server that does not answer.
        driver: Any = context.connection.connection.driver_connection
        driver.terminate()
        return DBAPIError(context.statement, None, error, connection_invalidated=True)
