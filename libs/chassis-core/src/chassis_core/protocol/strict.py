"""How a request is read: strictly, so that nobody can understand it otherwise."""

from typing import Any

import httptools

from chassis_core.concerns.load import PLACE, Place
from chassis_core.problem import REFUSAL, BadRequest, Problem, TooManyRequests
from chassis_core.protocol.connection import Connection
from chassis_core.protocol.cycle import Cycle
from chassis_core.protocol.head import check_framing, check_host, check_version, decoded, origin

_NOTED = {b"host", b"transfer-encoding", b"expect"}
_IDENTIFYING = {b"x-request-id", b"traceparent", b"tracestate", b"x-forwarded-for", b"forwarded"}


class StrictProtocol(Connection):
    """Refuses what two readers of HTTP could understand differently, and who keeps it waiting.

    A refused request still passes through the app, marked in its scope, so that its answer has a
    request id, security headers, a log line and a metric sample; then the connection closes.
    """

    _refusal: Problem | None = None
    _unframed = _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Parse what came, and refuse it at the first fault."""
        if self._deaf:
            return
        self._unframed += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # No other protocol is spoken here (RFC 9110 §7.8): answered as HTTP, then closed.
            self.cycle.keep_alive = False
            self._deaf = True
        except httptools.HttpParserError as error:
            self._refuse(self._refusal or BadRequest(f"This is not HTTP/1.1: {error}."))
        else:
            if self._unframed > self.limits.max_header_bytes:
                self._refuse(self._too_large())
            elif self._reading is not None:
                self._wait(len(data))

    def on_message_begin(self) -> None:
        """Start to read a request."""
        super().on_message_begin()
        self._reading = "head"
        self._unframed = self._head_bytes = 0
        self._hosts: list[bytes] = []
        self._codings: list[bytes] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep one header; a trailer is dropped, as it would come too late to be believed."""
        self._unframed = 0
        self._head_bytes += len(name) + len(value) + 4
        if len(self.headers) >= self.limits.max_headers:
            self._fail(Problem("The request has too many headers.", status=431))
        if self._head_bytes + len(self.url) > self.limits.max_header_bytes:
            self._fail(self._too_large())
        if self._reading == "head":
            name = name.lower()
            self.headers.append((name, value))
            if name in _NOTED:
                self._note(name, value)

    def on_headers_complete(self) -> None:
        """Check the head as a whole, then hand the request to the app."""
        try:
            self._read_head()
        except Problem as problem:
            self._fail(problem)
        self._patience.rest()
        self._unframed, self._reading = 0, "body"
        self._start(
            keep_alive=self.scope["http_version"] == "1.1" and self.parser.should_keep_alive()
        )

    def on_body(self, body: bytes) -> None:
        """Hand on a part of the body."""
        self._unframed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is read to its end: only now can another one follow."""
        self._unframed, self._reading = 0, None
        self._is_served()
        self._patience.rest()
        if not self.cycle.response_started:
            self.cycle.keep_alive = self._keep_alive
        super().on_message_complete()

    def _note(self, name: bytes, value: bytes) -> None:
        if name == b"host":
            self._hosts.append(value)
        elif name == b"transfer-encoding":
            self._codings.append(value)
        elif value.lower() == b"100-continue":
            self.expect_100_continue = True

    def _read_head(self) -> None:
        if len(self._waiting) >= self.limits.max_pipelined:
            reason = f"{self.limits.max_pipelined} requests wait for their turn on this connection."
            raise TooManyRequests(reason, headers={"Retry-After": "1"})
        method, version = self.parser.get_method().decode("ascii"), self.parser.get_http_version()
        self.scope["method"], self.scope["http_version"] = method, version
        check_version(version)
        check_framing(self._codings, version)
        check_host(self._hosts, version)
        path, _, query = origin(self.url, method, self.headers).partition(b"?")
        self._set_target(path, query)

    def _set_target(self, path: bytes, query: bytes) -> None:
        self.scope["path"] = self.root_path + decoded(path)
        self.scope["raw_path"] = self.root_path.encode() + path
        self.scope["query_string"] = query

    def _start(self, *, keep_alive: bool) -> None:
        before = self.cycle
        if not self.flow.write_paused:
            self._shared.idle.pop(self, None)
        self._keep_alive = keep_alive and not self._shared.draining
        scope: dict[str, Any] = self.scope  # type: ignore[assignment] # uvicorn's name for the same
        dated = self.server_state.default_headers
        hold = 0.0
        if self._load is not None:
            scope[PLACE] = place = Place(self._load)
            if REFUSAL not in scope and (refusal := place.refusal()) is not None:
                scope[REFUSAL], hold = refusal, place.hold
        self.cycle = Cycle(self, scope, dated=dated, expects=self.expect_100_continue)
        if before is not None and not before.response_complete:
            self.flow.pause_reading()
            self._waiting.append(self.cycle)
        elif hold:
            self.loop.call_later(hold, self._serve, self.cycle)
        else:
            self._serve(self.cycle)
            self._shared.idle[self] = None  # until the request is read to its end

    def _too_large(self) -> Problem:
        text = f"The head of the request is larger than {self.limits.max_header_bytes} bytes."
        return Problem(text, status=431)

    def _fail(self, problem: Problem) -> None:
        self._refusal = problem
        raise problem

    def _refuse(self, problem: Problem) -> None:
        self._deaf = True
        self._patience.rest()
        if self._reading == "body":
            self.cycle.break_off(problem)
            if self.cycle.response_complete:
                self.close()
            return
        if self._reading is None:
            self.on_message_begin()
        self.scope["headers"] = [pair for pair in self.headers if pair[0] in _IDENTIFYING]
        self.scope.setdefault("method", "_OTHER")
        self._set_target(b"/", b"")
        scope: dict[str, Any] = self.scope  # type: ignore[assignment] # ours has a key of our own
        scope[REFUSAL] = problem
        self.expect_100_continue = False
        self._start(keep_alive=False)
        self.cycle.more_body = False

    def _wait(self, came: int) -> None:
        if self._reading == "body":
            earned = came / self.limits.body_min_rate
            self._patience.earn("body", earned, most=self.limits.body_timeout)
        elif self._patience.awaited != "head":
            self._patience.wait("head", self.limits.header_timeout)
