"""One listener: its socket, and uvicorn's server reduced to what two of them need."""

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

from chassis_core.protocol import StrictConfig, StrictProtocol
from chassis_core.settings import ServerSettings

LAST_WORDS = 1.0
"""Seconds in which requests that are cancelled can still say so."""
AT_ONCE = 100
"""Connections taken in one turn of the loop."""
PAUSE = 0.5
"""Seconds in which none is taken after the system could give none, for lack of descriptors."""
_log = logging.getLogger(__name__)


class CannotStart(Exception):
    """The process cannot serve; the text is one line that says why and what to do."""


def bind(settings: ServerSettings, name: str, *, prefix: str = "") -> socket.socket:
    """Return a socket on the port that the field `name` of the settings holds.

    Args:
        settings: where to listen.
        name: `port` or `admin_port`.
        prefix: of the service's variables, for the hint.

    Raises:
        CannotStart: the port is taken or forbidden.
    """
    host, port = settings.host, getattr(settings, name)
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        option = f"--{name.replace('_', '-')} or {prefix}SERVER__{name.upper()}"
        if error.errno == errno.EADDRINUSE:
            reason = f"port {port} of {host} is taken: stop what holds it, or choose another"
        else:
            reason = f"port {port} of {host} cannot be had ({error.strerror}): choose another"
        raise CannotStart(f"{reason} by {option}") from error
    return sock


def port_of(sock: socket.socket) -> int:
    """Return the port that a socket is bound to."""
    return int(sock.getsockname()[1])


class Listener(uvicorn.Server):
    """One of uvicorn's servers, without its signals, its lifespan and its log lines.

    Args:
        app: what it serves.
        settings: its limits and timeouts.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self._shared = config = StrictConfig(
            app,
            settings,
            http=StrictProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            forwarded_allow_ips="127.0.0.1",
            workers=1,
            reset_contextvars=True,
            timeout_keep_alive=settings.keep_alive,
        )
        config.load()
        super().__init__(config)
        self._opening: set[asyncio.Task[None]] = set()
        self.lifespan = config.lifespan_class(config)

    @asynccontextmanager
    async def open(self, sock: socket.socket) -> AsyncIterator[None]:
        """Accept connections on `sock` inside the block; at its end, let requests finish."""
        await self.startup([sock])
        ticking = asyncio.create_task(self.main_loop())
        try:
            yield
        finally:
            self.should_exit = True
            await ticking
            await self.shutdown([sock])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections."""
        self.servers = []
        for sock in sockets or ():
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
            sock.listen(self.config.backlog)
            self._resume(sock)
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, let requests in flight end in time, and cut what is left."""
        for sock in sockets or ():
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._shared.limits.shutdown_timeout):
                while self._busy() and not self.force_exit:  # noqa: ASYNC110 - uvicorn's state
                    await asyncio.sleep(0.05)
        if tasks := list(self.server_state.tasks):
            _log.warning("requests dropped", extra={"requests": len(tasks)})
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=LAST_WORDS)
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    def drain(self) -> None:
        """Let every answer from now on say that its connection closes."""
        self._shared.draining = True
        for connection in self.server_state.connections:
            if isinstance(connection, StrictProtocol):
                connection.drain()

    def drop(self) -> None:
        """End the requests in flight now: each is answered 503, if its answer has not begun."""
        self.force_exit = True

    def _resume(self, sock: socket.socket) -> None:
        if sock.fileno() != -1:
            asyncio.get_running_loop().add_reader(sock, self._accept, sock)

    def _accept(self, listening: socket.socket) -> None:
        # uvloop's own server takes one connection in each turn of the loop: under load, turns are
        # long, and whoever comes then waits for seconds where nothing can refuse them.
        loop = asyncio.get_running_loop()
        for _ in range(AT_ONCE):
            try:
                sock, _ = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                _log.error("cannot accept", extra={"reason": error.strerror})
                loop.remove_reader(listening)
                loop.call_later(PAUSE, self._resume, listening)
                return
            sock.setblocking(False)
            opening = loop.create_task(self._open(sock))
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)

    async def _open(self, sock: socket.socket) -> None:
        with suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, sock)

    def _protocol(self) -> StrictProtocol:
        return StrictProtocol(self._shared, self.server_state, self.lifespan.state)

    def _busy(self) -> bool:
        return bool(self._opening or self.server_state.connections or self.server_state.tasks)
