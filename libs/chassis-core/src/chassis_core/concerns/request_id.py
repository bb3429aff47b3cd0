"""Gives every request an id and the context that carries it."""

import re

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis_core import context
from chassis_core.concern import Concern, Layer
from chassis_core.ids import uuid7_text

HEADER = b"x-request-id"
_ACCEPTED = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class RequestIdMiddleware:
    """Takes the caller's `X-Request-ID` if it is harmless, else makes a UUIDv7, and answers it.

    An id that is not `[A-Za-z0-9._-]{1,128}`, or is sent twice, is replaced: it would reach logs,
    traces and other services.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request inside its own context."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _accepted(scope) or uuid7_text()
        header = (HEADER, request_id.encode())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        token = context.enter(context.RequestContext(request_id))
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            context.leave(token)


def _accepted(scope: Scope) -> str | None:
    values = [value for name, value in scope["headers"] if name == HEADER]
    if len(values) == 1 and _ACCEPTED.fullmatch(values[0]):
        accepted: bytes = values[0]
        return accepted.decode()
    return None


def request_id() -> Concern:
    """Return the concern that identifies every request."""
    return Concern(
        name="request_id", middleware={Layer.REQUEST_ID: Middleware(RequestIdMiddleware)}
    )
