"""Turns every exception into a problem, inside the layers that number, log and count it."""

import asyncio
import logging
import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis_core import context
from chassis_core.concern import Concern, Layer
from chassis_core.problem import (
    REFUSAL,
    BadRequest,
    InternalError,
    Problem,
    Unprocessable,
    UnsupportedMediaType,
    respond,
    send_problem,
)

RECORDED = "chassis.recorded"
"""Scope key of the exception that is in the log already, for the server that sees it next."""
_MAX_ERRORS = 20
_UNSENDABLE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_log = logging.getLogger(__name__)


class ErrorsMiddleware:
    """Answers whatever no handler answered: a problem with its status, anything else with 500.

    An answer that has begun cannot be changed: the exception goes on to the server, which cuts
    the connection, so that the client sees a broken answer as broken.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; never let an unanswered exception out."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if (refusal := scope.get(REFUSAL)) is not None:
            await send_problem(refusal, scope, receive, send)
            return
        started = False

        async def send_watched(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                _refuse_unsendable(message.get("headers", ()))
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_watched)
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                raise
            if not isinstance(error, Problem):
                _record(error)
                scope[RECORDED] = error
            if started:
                raise
            problem = error if isinstance(error, Problem) else InternalError()
            await send_problem(problem, scope, receive, send)


def _refuse_unsendable(headers: Iterable[tuple[bytes, bytes]]) -> None:
    # The server would find it too, when the request has its log line and its metric sample.
    for name, value in headers:
        if _UNSENDABLE.search(value):
            raise ValueError(f"the value of {name!r} holds a control character")


def _is_cancelled() -> bool:
    """Whether someone wants this task to end; else what it waited for was cancelled, not it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _record(error: BaseException) -> None:
    if (request := context.current()) is not None:
        request.error = error
    _log.error("unhandled exception", exc_info=error)


async def _http_exception(request: Request, error: HTTPException) -> Response:
    if not isinstance(error, Problem):
        default = error.detail == Problem(status=error.status_code).detail
        detail = None if default else str(error.detail)
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = _methods(request)
        error = Problem(detail, status=error.status_code, headers=headers)
    return respond(error, request.scope)


def _methods(request: Request) -> str:
    """Return every method of the path: the framework names those of one of its routes alone."""
    path = request.scope["path"]
    routes = [r for r in iter_route_contexts(request.app.routes) if r.methods]
    return ", ".join(
        sorted({m for r in routes if r.path_regex.match(path) for m in r.methods or ()})
    )


async def _validation_error(request: Request, error: RequestValidationError) -> Response:
    problem = await _unread_body(request, error) or Unprocessable(
        "the request does not fit its schema", errors=describe(error.errors())
    )
    return respond(problem, request.scope)


async def _unread_body(request: Request, error: RequestValidationError) -> Problem | None:
    """Return what is wrong with a body that could not even be compared with its schema."""
    if error.errors()[0]["loc"][0] != "body":
        return None
    if isinstance(error.body, bytes):
        read = {"Accept": "application/json"}
        return UnsupportedMediaType("the body is not of a type that is read here", headers=read)
    is_json = "json" in request.headers.get("content-type", "")
    if is_json and error.body is None and not await request.body():
        return BadRequest("The body is not JSON: it is empty.")
    return None


def describe(errors: Sequence[Any]) -> list[dict[str, str]]:
    """Return where each rule broke and which, never the input; at most 20 of them.

    `pointer` is a JSON Pointer (RFC 6901) into the named part of the request.
    """
    return [
        {
            "in": str(error["loc"][0]),
            "pointer": "".join(f"/{_token(part)}" for part in error["loc"][1:])[:256],
            "rule": error["type"],
            "message": error["msg"][:256],
        }
        for error in errors[:_MAX_ERRORS]
    ]


def _token(part: object) -> str:
    text = str(part).encode("ascii", "backslashreplace").decode()
    return text.replace("~", "~0").replace("/", "~1")


def errors() -> Concern:
    """Return the concern that answers every error with a problem."""
    return Concern(
        name="errors",
        middleware={Layer.ERRORS: Middleware(ErrorsMiddleware)},
        error_handlers={
            HTTPException: _http_exception,
            RequestValidationError: _validation_error,
        },
    )
