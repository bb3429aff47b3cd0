"""The process: both listeners, the app's lifespan between them, and signals that end it."""

import asyncio
import gc
import logging
import signal
import sys
import traceback
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from pathlib import Path
from socket import socket
from typing import Any

import uvicorn

from chassis_core.compose import App
from chassis_core.concerns.load import STATE as LOAD
from chassis_core.redaction import one_line
from chassis_core.server.hard_stop import LAST_BREATH, HardStop, leave_threads_behind
from chassis_core.server.listener import LAST_WORDS, CannotStart, Listener, bind, port_of
from chassis_core.settings import ServiceSettings, env_prefix

FAILED_TO_START = 3
"""The exit code of a process that never served, as uvicorn has it."""
STOPPED_AT_ONCE = 1
"""The exit code after a second signal: requests in flight were dropped."""
TEARDOWN = 3.0
"""Seconds in which the app's lifespan must end, the telemetry's last flush included."""
YOUNG = 2000
"""Objects made before the youngest are collected: a request makes hundreds that live as long as it
does, and Python's own 700 has many of them looked at again and again."""
_log = logging.getLogger(__name__)


def serve(app: App, settings: ServiceSettings) -> int:
    """Serve `app` until SIGTERM or SIGINT and return the exit code.

    On the first signal readiness fails while requests are still served for the drain delay; then
    the public listener closes, requests in flight end, the app's lifespan ends, and the admin
    listener closes last. A second signal skips the waiting; a third kills. Nothing that hangs can
    hold the process for longer than the sum of these limits, and a second.

    Args:
        app: the app; its admin routes leave the public listener for the admin port.
        settings: where to listen, and how long to drain.
    """
    app.separate_admin = True
    factory = uvicorn.Config(app, workers=1, log_config=None).get_loop_factory()
    try:
        with HardStop() as hard_stop, asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(_serve(app, settings, hard_stop))
    except CannotStart as error:
        sys.stderr.write(f"{settings.name} cannot start: {error}\n")
        return FAILED_TO_START
    except asyncio.CancelledError:
        return STOPPED_AT_ONCE


async def _serve(app: App, settings: ServiceSettings, hard_stop: HardStop) -> int:
    server = settings.server
    public_socket, admin_socket = _bound(settings)
    # When all else has ended, nobody's question about our health is worth a wait.
    hurried = server.model_copy(update={"shutdown_timeout": LAST_WORDS})
    public, admin = Listener(app, server), Listener(app.admin, hurried)
    signals = _Signals(public)
    async with admin.open(admin_socket), _lifespan(app) as state:
        public.lifespan.state.update(state)
        # What the admin routes cost is no load: they are never refused.
        admin.lifespan.state.update({key: state[key] for key in state if key != LOAD})
        _keep_what_is_there()
        async with public.open(public_socket):
            ports: dict[str, object] = {
                "port": port_of(public_socket),
                "admin_port": port_of(admin_socket),
            }
            _log.info("listening", extra=ports | {"host": server.host})
            await signals.first.wait()
            delay = _drain_delay(settings)
            _log.info("draining", extra={"delay": delay})
            app.drain()
            public.drain()
            with suppress(TimeoutError):
                await asyncio.wait_for(signals.second.wait(), delay)
            hard_stop.within(
                server.shutdown_timeout + LAST_WORDS + TEARDOWN + LAST_BREATH, signals.code
            )
        _log.info("drained")
    leave_threads_behind(signals.code)
    return signals.code


def _bound(settings: ServiceSettings) -> tuple[socket, socket]:
    server, prefix = settings.server, env_prefix(type(settings))
    with ExitStack() as opened:
        public = opened.enter_context(bind(server, "port", prefix=prefix))
        admin = bind(server, "admin_port", prefix=prefix)
        opened.pop_all()
    return public, admin


def _keep_what_is_there() -> None:
    """Let the garbage collector leave alone what the process has built to serve.

    It lives as long as the process. A full collection that walks it stops every request for a
    tenth of a second, twice a second under load: see decision 0008.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)


def _drain_delay(settings: ServiceSettings) -> float:
    if settings.server.drain_delay is not None:
        return settings.server.drain_delay
    return 5.0 if settings.environment in {"staging", "production"} else 0.0


@asynccontextmanager
async def _lifespan(app: App) -> AsyncIterator[Mapping[str, Any]]:
    limit = asyncio.timeout(None)
    try:
        async with limit, AsyncExitStack() as stack:
            try:
                state = await stack.enter_async_context(app.router.lifespan_context(app))
                app.middleware_stack = app.build_middleware_stack()
                app.admin.middleware_stack = app.admin.build_middleware_stack()
            except Exception as error:
                raise CannotStart(_explain(error)) from error
            try:
                yield state or {}
            finally:
                limit.reschedule(asyncio.get_running_loop().time() + TEARDOWN)
    except TimeoutError:
        if not limit.expired():
            raise
        _log.exception("teardown given up", extra={"timeout": TEARDOWN})


def _explain(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{one_line(error)} ({Path(frame.filename).name}:{frame.lineno})"


class _Signals:
    """Counts SIGTERM and SIGINT: end in order, end without waiting, and then the system's way."""

    def __init__(self, public: "Listener") -> None:
        self.first, self.second = asyncio.Event(), asyncio.Event()
        self._public = public
        self._main = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._receive)

    @property
    def code(self) -> int:
        """The exit code that they ask for."""
        return STOPPED_AT_ONCE if self.second.is_set() else 0

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
