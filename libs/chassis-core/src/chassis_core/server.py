"""Runs an app: the public and the admin listener in one process, and their orderly end."""

import asyncio
import errno
import logging
import signal
import socket
import sys
import traceback
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from chassis_core.compose import App
from chassis_core.protocol import StrictConfig, StrictProtocol
from chassis_core.settings import ServerSettings, ServiceSettings

FAILED_TO_START = 3
"""The exit code of a process that never served, as uvicorn has it."""
STOPPED_AT_ONCE = 1
"""The exit code after a second signal: requests in flight were dropped."""
_log = logging.getLogger(__name__)


class CannotStart(Exception):
    """The process cannot serve; the text is one line that says why and what to do."""


def serve(app: App, settings: ServiceSettings) -> int:
    """Serve `app` until SIGTERM or SIGINT and return the exit code.

    On the first signal readiness fails while requests are still served for the drain delay; then
    the public listener closes, requests in flight end, the app's lifespan ends, and the admin
    listener closes last. A second signal skips the waiting; a third kills.

    Args:
        app: the app; its admin routes leave the public listener for the admin port.
        settings: where to listen, and how long to drain.
    """
    app.separate_admin = True
    factory = uvicorn.Config(app, workers=1, log_config=None).get_loop_factory()
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(_serve(app, settings))
    except CannotStart as error:
        sys.stderr.write(f"{settings.name} cannot start: {error}\n")
        return FAILED_TO_START
    except asyncio.CancelledError:
        return STOPPED_AT_ONCE


async def _serve(app: App, settings: ServiceSettings) -> int:
    server = settings.server
    public_socket, admin_socket = bind(server, "port"), bind(server, "admin_port")
    public, admin = Listener(app, server), Listener(app.admin, server)
    signals = _Signals(public)
    async with admin.open(admin_socket), _lifespan(app) as state:
        admin.lifespan.state.update(state)
        public.lifespan.state.update(state)
        async with public.open(public_socket):
            ports: dict[str, object] = {
                "port": _port(public_socket),
                "admin_port": _port(admin_socket),
            }
            _log.info("listening", extra=ports | {"host": server.host})
            await signals.first.wait()
            delay = _drain_delay(settings)
            _log.info("draining", extra={"delay": delay})
            app.drain()
            public.drain()
            with suppress(TimeoutError):
                await asyncio.wait_for(signals.second.wait(), delay)
        _log.info("drained")
    return STOPPED_AT_ONCE if signals.second.is_set() else 0


def _drain_delay(settings: ServiceSettings) -> float:
    if settings.server.drain_delay is not None:
        return settings.server.drain_delay
    return 5.0 if settings.environment in {"staging", "production"} else 0.0


@asynccontextmanager
async def _lifespan(app: App) -> AsyncIterator[Mapping[str, Any]]:
    async with AsyncExitStack() as stack:
        try:
            state = await stack.enter_async_context(app.router.lifespan_context(app))
            app.middleware_stack = app.build_middleware_stack()
            app.admin.middleware_stack = app.admin.build_middleware_stack()
        except Exception as error:
            raise CannotStart(_explain(error)) from error
        yield state or {}


def _explain(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    reason = " ".join(str(error).split()) or "no reason given"
    return f"{type(error).__name__}: {reason} ({Path(frame.filename).name}:{frame.lineno})"


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


def _port(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


class _Signals:
    """Counts SIGTERM and SIGINT: end in order, end without waiting, and then the system's way."""

    def __init__(self, public: "Listener") -> None:
        self.first, self.second = asyncio.Event(), asyncio.Event()
        self._public = public
        self._main = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._receive)

    def _receive(self) -> None:
        if not self.first.is_set():
            self.first.set()
            if not self._public.started and self._main is not None:
                self._main.cancel()
            return
        self.second.set()
        self._public.drop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.remove_signal_handler(number)


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
