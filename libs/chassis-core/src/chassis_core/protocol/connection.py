"""A connection: how many there are, how long each may keep us waiting, and how it ends."""

import asyncio
from collections import deque
from typing import Any, Literal

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from chassis_core.concerns.load import STATE, Load
from chassis_core.problem import Problem
from chassis_core.protocol.config import StrictConfig
from chassis_core.protocol.cycle import Cycle
from chassis_core.protocol.patience import Awaited, Patience
from chassis_core.protocol.unsent import cut, unsent

LINGER = 2.0
"""Seconds in which a client may read an answer given before its request was read (§9.6)."""
LEAST_TAKEN = 32_768
"""Bytes of a long answer that a client must take in half of the write timeout."""


class Connection(HttpToolsProtocol):
    """uvicorn's protocol, which waits for no client longer than the limits say.

    When there are as many connections as may be, the one that has waited for its client for longest
    makes room for a new one: for a request, for the rest of one, or until its answer is taken.
    """

    cycle: Cycle  # type: ignore[assignment] # ours takes the place of uvicorn's
    parser: Any

    def __init__(
        self,
        config: StrictConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.limits = config.limits
        self._shared = config
        self._load: Load | None = app_state.get(STATE)
        self._served: Cycle | None = None
        self._waiting: deque[Cycle] = deque()
        # What a client takes is looked at twice in its time: no other way shows that it takes none.
        self._half = min(self.limits.write_timeout / 2, self.limits.keep_alive)
        self._patience = Patience(self.loop, self._expired)
        self._taking: asyncio.TimerHandle | None = None
        self._reading: Literal["head", "body"] | None = None
        self._deaf = self._lingering = self._keep_alive = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Wait for the first request, but not for ever."""
        super().connection_made(transport)
        idle = self._shared.idle
        idle[self] = None
        self._patience.wait("head", self.limits.header_timeout)
        if len(self.connections) > self.limits.max_connections:
            longest: Connection = next(iter(idle))
            del idle[longest]
            longest._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection: who answers hears of it, what waits is never asked."""
        self._shared.idle.pop(self, None)
        self._patience.stop()
        self._stop_taking()
        if self._served is not None:
            self._served.disconnect()
        for cycle in self._waiting:
            cycle.leave()
        self._waiting.clear()
        super().connection_lost(exc)

    def write(self, data: bytes) -> None:
        """Send bytes of an answer."""
        self.transport.write(data)

    def read_on(self) -> None:
        """Read more; the time in which nobody wanted more is given back to the client."""
        if self._reading == "body" and not self._wants_body():
            self._patience.wait("body", self.limits.body_timeout)
        self.flow.resume_reading()

    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self.transport.is_closing()

    def on_response_complete(self) -> None:
        """Go on to the next request, unless this was the last."""
        self.server_state.total_requests += 1
        if self._lingering or self.transport.is_closing():
            return
        self.read_on()
        if self._waiting:
            self._serve(self._waiting.popleft())
            if self._waiting or self._reading != "body":
                return
        elif self._reading is None:
            self._patience.wait("reader", self._half)
        self._shared.idle[self] = None

    def pause_writing(self) -> None:
        """Let the app wait until the client has taken some of the answer, but not for ever."""
        super().pause_writing()
        self._shared.idle[self] = None
        self._start_taking()

    def resume_writing(self) -> None:
        """Let the app go on."""
        self._stop_taking()
        super().resume_writing()
        if self._served is not None and not self._served.response_complete:
            self._is_served()

    def close(self) -> None:
        """Close after what was written; with bytes unread, after the client could read it.

        A socket that is closed with bytes unread is reset, and the answer lost with it.
        """
        self._patience.wait("end", self._half)
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

    def _serve(self, cycle: Cycle) -> None:
        self._served = cycle
        self._start_asgi_task(cycle, self.app)  # type: ignore[arg-type] # ours

    def _is_served(self) -> None:
        # Unless its client is waited for all the same: for a body, or to take what is written.
        if self._reading != "body" and not self.flow.write_paused:
            self._shared.idle.pop(self, None)

    def _make_room(self) -> None:
        if self.transport.get_write_buffer_size():
            cut(self.transport)
        else:
            self.transport.close()

    def _expired(self, awaited: Awaited) -> None:
        if awaited == "body" and not self._wants_body():
            self._patience.wait("body", self.limits.body_timeout)
        elif awaited == "body" or (awaited == "head" and self._reading == "head"):
            self._refuse(Problem(f"The {awaited} took too long to come.", status=408))
        elif awaited in {"reader", "end"} and self.transport.get_write_buffer_size():
            if self._taking is None:
                self._start_taking()
            self._patience.wait(awaited, self._half)
        elif awaited == "reader" and self.limits.keep_alive > self._half:
            self._patience.wait("request", self.limits.keep_alive - self._half)
        elif awaited == "end":
            self.transport.abort()
        else:
            self.transport.close()

    def _wants_body(self) -> bool:
        return not (self.flow.read_paused or self.cycle.expects)

    def _start_taking(self) -> None:
        left = unsent(self.transport)
        self._taking = self.loop.call_later(self._half, self._check_taken, left)

    def _check_taken(self, before: int) -> None:
        self._taking = None
        if not self.transport.get_write_buffer_size():
            return
        if before - unsent(self.transport) < LEAST_TAKEN:
            cut(self.transport)
        else:
            self._start_taking()

    def _stop_taking(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def _refuse(self, problem: Problem) -> None:
        raise NotImplementedError
