"""What an error of the database means to the caller, decided in one place."""

import logging
import re
import sqlite3

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.orm.exc import StaleDataError
from starlette.requests import Request
from starlette.responses import Response

from chassis_core import context
from chassis_core.concern import Handler
from chassis_core.problem import Conflict, PreconditionFailed, Problem, Unavailable, respond
from chassis_core.sqlstate import sqlstate

RETRY_AFTER = "1"
"""Seconds; long enough for a pool to drain or a server to accept again."""

# Class 08: connection, 53: resources, 57: operator and time-outs, 58: system. 25006: a standby,
# 25P03: idle too long, 40001 and 40P01: lost a race, 55P03: no lock in time.
_PASSING = re.compile(r"08...|53...|57...|58...|25006|25P03|40001|40P01|55P03")
_SQLITE_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}
_SQLITE_UNIQUE = "UNIQUE constraint failed: "
_log = logging.getLogger(__name__)


def unavailable(error: DBAPIError) -> bool:
    """Tell whether the database, not the statement, is at fault: the same request may succeed."""
    if error.connection_invalidated:
        return True
    if (code := getattr(error.orig, "sqlite_errorcode", None)) is not None:
        return code & 0xFF in _SQLITE_PASSING
    return _PASSING.fullmatch(sqlstate(error)) is not None


def unique_violation(error: IntegrityError) -> str | None:
    """Return what a duplicate has broken, or None if the error is another.

    On PostgreSQL it is the constraint's name; SQLite does not tell the name, but `table.column`s
    separated by commas.
    """
    text = str(error.orig)
    if _SQLITE_UNIQUE in text:
        return text.partition(_SQLITE_UNIQUE)[2]
    if sqlstate(error) == "23505":
        return str(getattr(error.driver_exception, "constraint_name", "") or "")
    return None


def handlers() -> dict[type[Exception], Handler]:
    """Return the answers to errors of the database that no service handles itself."""
    from asyncpg import InterfaceError

    return {
        PoolExhausted: _answer_unavailable,
        # A connection lost while SQLAlchemy sets it up: the only error that it does not wrap.
        InterfaceError: _answer_unavailable,
        DBAPIError: _answer_failure,
        StaleDataError: _answer_stale,
    }


async def _answer_failure(request: Request, error: DBAPIError) -> Response:
    if not unavailable(error):
        raise error
    return await _answer_unavailable(request, error)


async def _answer_unavailable(request: Request, error: Exception) -> Response:
    _log.warning("database unavailable", extra={"error.type": code(error)})
    problem = Unavailable("the database cannot answer now", headers={"Retry-After": RETRY_AFTER})
    return _answer(problem, request, error)


async def _answer_stale(request: Request, error: StaleDataError) -> Response:
    refused = PreconditionFailed if "if-match" in request.headers else Conflict
    return _answer(refused("it was changed by another request meanwhile"), request, error)


def _answer(problem: Problem, request: Request, error: Exception) -> Response:
    if (current := context.current()) is not None:
        current.error = error
    return respond(problem, request.scope)


def code(error: BaseException) -> str:
    """Return a short, bounded name of an error: the SQLSTATE if there is one."""
    cause = getattr(error, "orig", None) or error
    return sqlstate(error) or str(getattr(cause, "sqlite_errorname", None) or type(cause).__name__)
