"""One listener: its socket, and uvicorn's server reduced to what two of them need."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from chassis_core.protocol import StrictConfig, StrictProtocol
from chassis_core.settings import ServerSettings


class CannotStart(Exception):
    """The process cannot serve; the text is one line that says why and what to do."""


def bind(settings: ServerSettings, name: str) -> socket.socket:
    """Return a socket on the port that the field `name` of the settings holds.

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
        option = f"--{name.replace('_', '-')} or SERVER__{name.upper()}"
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
        self.edge = config = StrictConfig(
            app,
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
            timeout_keep_alive=settings.keep_alive,  # type: ignore[arg-type] # seconds for call_later
            timeout_graceful_shutdown=settings.shutdown_timeout,  # type: ignore[arg-type] # likewise
        )
        config.limits = settings
        config.load()
        super().__init__(config)
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

    def drain(self) -> None:
        """Let every answer from now on say that its connection closes."""
        self.edge.draining = True
        for connection in self.server_state.connections:
            if isinstance(connection, StrictProtocol):
                connection.drain()

    def drop(self) -> None:
        """End the requests in flight now."""
        self.force_exit = True
        for task in self.server_state.tasks:
            task.cancel()
