"""One request and its answer: what the app calls `receive` and `send`."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

from starlette.types import ASGIApp, Message, Scope
from uvicorn.protocols.http.flow_control import FlowControl

from chassis_core.concerns.errors import RECORDED
from chassis_core.concerns.load import PLACE
from chassis_core.problem import REFUSAL, InternalError, Problem, Unavailable, send_problem
from chassis_core.protocol.answer import Answer, Headers

LARGE = 65_536
"""Bytes of a body that are not worth a copy."""
_log = logging.getLogger(__name__)


class Wire(Protocol):
    """What a cycle needs of its connection."""

    flow: FlowControl

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def read_on(self) -> None:
        """Read more of the body."""

    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""

    def close(self) -> None:
        """Close after what was written."""

    def on_response_complete(self) -> None:
        """Go on to the next request."""


class Cycle:
    """One request on a connection and its answer (RFC 9112), which can be broken off.

    Args:
        connection: where it came from.
        scope: the request.
        dated: the headers that every answer has.
        expects: whether the client waits for 100 before it sends the body.
    """

    __slots__ = (
        "_answer",
        "_broken_off",
        "_connection",
        "_dated",
        "_head",
        "body",
        "disconnected",
        "expects",
        "keep_alive",
        "message_event",
        "more_body",
        "response_complete",
        "response_started",
        "scope",
    )

    def __init__(
        self,
        connection: Wire,
        scope: Scope,
        *,
        dated: list[tuple[bytes, bytes]],
        expects: bool,
    ) -> None:
        self.scope = scope
        self._connection = connection
        self._dated = dated
        self.expects = expects
        self._broken_off: Problem | None = None
        self._head = b""
        self.message_event = asyncio.Event()
        self.body = bytearray()
        self.more_body = True
        self.disconnected = self.keep_alive = False
        self.response_started = self.response_complete = False

    def break_off(self, problem: Problem) -> None:
        """Give the rest of the body up: whoever reads it gets `problem`."""
        self.keep_alive = False
        self._broken_off = problem
        # If the app has not been called yet, it answers with the problem without being asked.
        self.scope[REFUSAL] = problem
        self.message_event.set()

    def disconnect(self) -> None:
        """Note that nobody waits for the answer any more, and tell the app."""
        if not self.response_complete:
            self.disconnected = True
            self.message_event.set()

    def leave(self) -> None:
        """Give the request's place in the load back, if it has one."""
        if (place := self.scope.get(PLACE)) is not None:
            place.leave()

    async def run_asgi(self, app: ASGIApp) -> None:
        """Let the app answer; what it does not answer is a problem, what it leaves half is cut."""
        error: BaseException | None = None
        try:
            await app(self.scope, self.receive, self.send)
        except asyncio.CancelledError as cancelled:
            error = cancelled
        except Exception as raised:  # noqa: BLE001 - the last one to know of it
            error = raised
            if not isinstance(raised, Problem) and self.scope.get(RECORDED) is not raised:
                _log.error("unhandled exception", exc_info=raised)
        finally:
            self.leave()
        if self.response_complete or self.disconnected:
            return
        if self.response_started:
            reason = str(error) if isinstance(error, Problem) else type(error).__name__
            _log.warning("answer cut", extra={"url.path": self.scope["path"], "reason": reason})
            self._send_head()
            self._connection.close()
        else:
            stopped = isinstance(error, asyncio.CancelledError)
            problem = Unavailable("The service stops.") if stopped else InternalError()
            self.keep_alive = False
            await send_problem(problem, self.scope, self.receive, self.send)

    async def receive(self) -> Message:
        """Return the next part of the body."""
        if not (self.disconnected or self.response_complete):
            if not self.message_event.is_set():
                await self._next_part()
            self.message_event.clear()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        if self._broken_off is not None:
            raise self._broken_off
        body, self.body = bytes(self.body), bytearray()
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send(self, message: Message) -> None:
        """Send the next part of the answer, as soon as the client has taken enough of the last."""
        if self._connection.flow.write_paused and not self.disconnected:
            await self._waiting_for_client(self._connection.flow.drain)
        if self.disconnected or self._connection.is_closing():
            # Who sends without end would never let the loop tell it that nobody listens.
            await asyncio.sleep(0)
            return
        kind = message["type"]
        if not self.response_started and kind == "http.response.start":
            self._start(message["status"], message.get("headers", ()))
        elif self.response_started and not self.response_complete and kind == "http.response.body":
            self._continue(message.get("body", b""), last=not message.get("more_body", False))
        else:
            raise RuntimeError(f"{kind} is not what may be sent now")

    async def _next_part(self) -> None:
        if self.expects:
            self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._connection.read_on()
        self.expects = False
        if self.more_body:
            await self._waiting_for_client(self.message_event.wait)
        else:
            await self.message_event.wait()

    async def _waiting_for_client(self, wait: Callable[[], Any]) -> None:
        place = self.scope.get(PLACE)
        if place is None:
            await wait()
            return
        place.rest()
        try:
            await wait()
        finally:
            place.resume()

    def _start(self, status: int, headers: Headers) -> None:
        self.response_started, self.expects = True, False
        self._answer = answer = Answer(self.scope, keep_alive=self.keep_alive)
        # Most answers are complete in the same breath: then one call to the system sends it all.
        self._head = answer.head(status, (*self._dated, *headers))
        self.keep_alive = answer.keep_alive
        asyncio.get_running_loop().call_soon(self._send_head)

    def _send_head(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._connection.write(head)

    def _continue(self, body: bytes, *, last: bool) -> None:
        part = self._answer.part(body, last=last)
        if len(part) > LARGE:
            self._send_head()
        head, self._head = self._head, b""
        self._connection.write(head + part)
        if last:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self._connection.close()
            self._connection.on_response_complete()
