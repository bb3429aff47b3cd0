"""uvicorn's HTTP protocol, made strict and impatient."""

import asyncio
from typing import Any, Literal

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from chassis_core.concerns.errors import REFUSAL
from chassis_core.problem import BadRequest, Problem
from chassis_core.protocol.cycle import Cycle
from chassis_core.protocol.head import check_framing, check_host, check_version, decoded, origin
from chassis_core.settings import ServerSettings

LINGER = 2.0
"""Seconds in which a client may read an answer given before its request was read (§9.6)."""
_NOTED = {b"host", b"transfer-encoding", b"expect"}
_IDENTIFYING = {b"x-request-id", b"traceparent", b"tracestate", b"x-forwarded-for", b"forwarded"}


class StrictConfig(Config):
    """uvicorn's configuration, with our limits, and whether the process is draining."""

    limits = ServerSettings()
    draining = False


class StrictProtocol(HttpToolsProtocol):
    """Refuses what two readers of HTTP could understand differently, and who keeps it waiting.

    A refused request still passes through the app, marked in its scope, so that its answer has a
    request id, security headers, a log line and a metric sample; then the connection closes.
    """

    cycle: Cycle

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.edge = config if isinstance(config, StrictConfig) else StrictConfig
        self.limits = self.edge.limits
        self._reading: Literal["head", "body"] | None = None
        self._timing: Literal["head", "body"] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._refusal: Problem | None = None
        self._deaf = self._lingering = self._keep_alive = False
        self._unframed = self._head_bytes = 0
        self._hosts: list[bytes] = []
        self._codings: list[bytes] = []

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Wait for the first request, but not for ever."""
        super().connection_made(transport)
        self._closing = _Closing(self)
        self._start_timer("head", self.limits.header_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timer()
        super().connection_lost(exc)

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
        self._watch()

    def on_message_begin(self) -> None:
        """Start to read a request."""
        self._unset_keepalive_if_required()
        super().on_message_begin()
        self._reading = "head"
        self._unframed = self._head_bytes = 0
        self._hosts, self._codings = [], []

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
        self._stop_timer()
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
        if not self.cycle.response_started:
            self.cycle.keep_alive = self._keep_alive
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on to the next request, unless this was the last."""
        if not self._lingering:
            super().on_response_complete()

    def close(self) -> None:
        """Close as a cycle asks; with bytes unread, after the client could read the answer.

        A socket that is closed with bytes unread is reset, and the answer lost with it.
        """
        if not (self._deaf or self._reading == "body") or not self.transport.can_write_eof():
            self.transport.close()
        elif not self._lingering:
            self._deaf = self._lingering = True
            self.flow.resume_reading()
            self.transport.write_eof()
            self.loop.call_later(LINGER, self.transport.close)

    def drain(self) -> None:
        """Let the answer under way say that the connection closes."""
        self._keep_alive = False
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False

    def _note(self, name: bytes, value: bytes) -> None:
        if name == b"host":
            self._hosts.append(value)
        elif name == b"transfer-encoding":
            self._codings.append(value)
        elif value.lower() == b"100-continue":
            self.expect_100_continue = True

    def _read_head(self) -> None:
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
        self._keep_alive = keep_alive and not self.edge.draining
        self.cycle = Cycle(
            scope=self.scope,
            transport=self._closing,  # type: ignore[arg-type] # the part of it that cycles use
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _too_large(self) -> Problem:
        text = f"The head of the request is larger than {self.limits.max_header_bytes} bytes."
        return Problem(text, status=431)

    def _fail(self, problem: Problem) -> None:
        self._refusal = problem
        raise problem

    def _refuse(self, problem: Problem) -> None:
        self._deaf = True
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

    def _watch(self) -> None:
        if self._deaf or (self._timing == "body" and self._reading != "body"):
            self._stop_timer()
        elif self._reading == "body":
            self._start_timer("body", self.limits.body_timeout)
        elif self._reading == "head" and self._timing is None:
            self._start_timer("head", self.limits.header_timeout)

    def _start_timer(self, timing: Literal["head", "body"], seconds: float) -> None:
        self._stop_timer()
        self._timing = timing
        self._timer = self.loop.call_later(seconds, self._too_slow)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = self._timing = None

    def _too_slow(self) -> None:
        if self._reading == "body" and self.flow.read_paused:
            self._start_timer("body", self.limits.body_timeout)
        elif self._reading is None:
            self.transport.close()
        else:
            self._refuse(Problem(f"The {self._reading} took too long to come.", status=408))


class _Closing:
    """The transport as a cycle sees it."""

    def __init__(self, protocol: StrictProtocol) -> None:
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing
        self.close = protocol.close
