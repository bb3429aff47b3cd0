"""Deadline: how long a request may take, known to everything that works for it."""

import asyncio
import re
import time

from pydantic import Field
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis_core import context
from chassis_core.concern import Concern, ConcernSettings, Layer
from chassis_core.problem import GatewayTimeout

HEADER = b"x-request-deadline-ms"
"""What a caller sends along: the milliseconds that it will still wait."""
_MILLISECONDS = re.compile(rb"-?[0-9]{1,15}")


class DeadlineSettings(ConcernSettings):
    """How long a request may take."""

    timeout: float = Field(30.0, gt=0)
    """Seconds until a request is given up: under the 60 s of common proxies, so that the caller
    gets our 504 with its request id. A caller may ask for less by `X-Request-Deadline-Ms`."""


class DeadlineMiddleware:
    """Gives every request a deadline and answers 504 when it passes.

    The handler is cancelled at its next `await`; a plain `def` handler runs to its end in its
    thread. An answer that has begun is cut, so that nobody takes it for a whole one. Once the
    answer is complete there is no deadline: background tasks are left alone. An event stream has
    one only until it begins. A handler's own `TimeoutError` is an error like any other.

    Args:
        app: the app within.
        timeout: seconds for one request.
    """

    def __init__(self, app: ASGIApp, *, timeout: float) -> None:
        self._app = app
        self._timeout = timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request until its deadline."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seconds = min(self._timeout, _asked(scope))
        if seconds <= 0:
            raise GatewayTimeout("The caller's deadline had passed when the request came.")
        if (request := context.current()) is not None:
            request.deadline = time.monotonic() + seconds
        timer = asyncio.timeout(seconds)

        async def send_watched(message: Message) -> None:
            if not timer.expired() and _frees(message):
                timer.reschedule(None)
            await send(message)

        try:
            async with timer:
                await self._app(scope, receive, send_watched)
        except Exception as error:
            if not timer.expired():
                raise
            raise GatewayTimeout(f"No answer within {seconds:g} seconds.") from error


def _asked(scope: Scope) -> float:
    for name, value in scope["headers"]:
        if name == HEADER and _MILLISECONDS.fullmatch(value):
            return int(value) / 1000
    return float("inf")


def _frees(message: Message) -> bool:
    if message["type"] == "http.response.start":
        return any(
            name == b"content-type" and value.startswith(b"text/event-stream")
            for name, value in message.get("headers", ())
        )
    return not message.get("more_body", False)


def deadline(settings: DeadlineSettings) -> Concern:
    """Return the concern that bounds the time of a request."""
    middleware = Middleware(DeadlineMiddleware, timeout=settings.timeout)
    return Concern(name="deadline", middleware={Layer.DEADLINE: middleware})
