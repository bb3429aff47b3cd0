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
        self._queue = _Queue(timeout)

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
        cancellation = _Cancellation()
        if seconds == self._timeout:
            self._queue.add(cancellation)
        else:
            cancellation.timer = asyncio.get_running_loop().call_later(seconds, cancellation.due)

        async def send_watched(message: Message) -> None:
            if _frees(message):
                cancellation.call_off()
            await send(message)

        try:
            await self._app(scope, receive, send_watched)
        except (Exception, asyncio.CancelledError) as error:
            if not cancellation.is_the_cause_of(error):
                raise
            raise GatewayTimeout(f"No answer within {seconds:g} seconds.") from error
        finally:
            cancellation.call_off()


class _Cancellation:
    """Cancels the task it is made in, unless it is called off."""

    __slots__ = ("_before", "_is_due", "_task", "queue", "timer")

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - coroutines of an app run in tasks
        self._task, self._is_due, self._before = task, False, task.cancelling()
        self.queue: dict[_Cancellation, float] | None = None
        self.timer: asyncio.TimerHandle | None = None

    def due(self) -> None:
        """Cancel."""
        self._is_due = True
        self._task.cancel()

    def call_off(self) -> None:
        """Let the task run on."""
        if self.queue is not None:
            self.queue.pop(self, None)
        elif self.timer is not None:
            self.timer.cancel()

    def is_the_cause_of(self, error: BaseException) -> bool:
        """Whether the time ran out, and nobody else wants the task to end."""
        if not self._is_due:
            return False
        others = self._task.uncancel() > self._before
        return not (others and isinstance(error, asyncio.CancelledError))


class _Queue:
    """Cancellations that are all due after the same time: the first in is the first due.

    So one timer, set for the first, serves all; a timer for each would cost more than the rest of
    the deadline does.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: dict[_Cancellation, float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._armed = False

    def add(self, cancellation: _Cancellation) -> None:
        """Let it be due in time, unless it is called off."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._waiting, self._armed = loop, {}, False
        cancellation.queue = self._waiting
        self._waiting[cancellation] = loop.time() + self._seconds
        if not self._armed:
            self._arm(loop, self._seconds)

    def _arm(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._armed = True
        loop.call_later(seconds, self._fire, loop, self._waiting)

    def _fire(self, loop: asyncio.AbstractEventLoop, waiting: dict[_Cancellation, float]) -> None:
        self._armed = False
        now = loop.time()
        while waiting:
            first, when = next(iter(waiting.items()))
            if when > now:
                self._arm(loop, when - now)
                return
            del waiting[first]
            first.due()


def _asked(scope: Scope) -> float:
    for name, value in scope["headers"]:
        if name == HEADER and _MILLISECONDS.fullmatch(value):
            return int(value) / 1000
    return float("inf")


def _frees(message: Message) -> bool:
    if message["type"] == "http.response.start":
        for name, value in message.get("headers", ()):
            if name == b"content-type":
                started: bytes = value
                return started.startswith(b"text/event-stream")
        return False
    return not message.get("more_body", False)


def deadline(settings: DeadlineSettings) -> Concern:
    """Return the concern that bounds the time of a request."""
    middleware = Middleware(DeadlineMiddleware, timeout=settings.timeout)
    return Concern(name="deadline", middleware={Layer.DEADLINE: middleware})
