"""The server as a process: two listeners, and an end in order."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx2
import pytest

pytestmark = pytest.mark.e2e

SERVICE = """
import asyncio, json, os, sys
from contextlib import asynccontextmanager
from chassis_core import Concern, ServiceSettings, create_app
from chassis_core.server import serve
from fastapi import APIRouter, Request

router = APIRouter()

@router.get("/slow/{seconds}")
async def slow(seconds: float, request: Request) -> str:
    await asyncio.sleep(seconds)
    return request.state.opened

@router.get("/wait")
async def wait(request: Request) -> str:
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    return request.state.opened

@asynccontextmanager
async def lifespan():
    if "broken" in sys.argv:
        raise ConnectionRefusedError("no store at store.example:1")
    if "hanging" in sys.argv:
        print(json.dumps({"event": "hanging"}), flush=True)
        await asyncio.sleep(60)
    yield {"opened": "yes"}
    print(json.dumps({"event": "torn down"}), flush=True)

settings = ServiceSettings(name="edge", server=json.loads(sys.argv[1]))
own = [Concern(name="own", lifespan=lifespan)]
app = create_app(settings, routers=[router], concerns=own)
raise SystemExit(serve(app, settings))
"""


@dataclass
class Process:
    """A service that runs, and what it has said."""

    inner: asyncio.subprocess.Process
    port: int = 0
    admin_port: int = 0

    async def said(self, event: str) -> dict[str, object]:
        """Wait for a log line."""
        async with asyncio.timeout(30):
            while line := await self.inner.stdout.readline():
                if (fields := json.loads(line))["event"] == event:
                    return fields
        raise AssertionError(f"it ended without saying {event!r}")

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.inner.send_signal(number)

    async def ended(self) -> int:
        async with asyncio.timeout(30):
            return await self.inner.wait()

    async def get(self, path: str, port: int | None = None) -> httpx2.Response:
        async with httpx2.AsyncClient(trust_env=False) as client:
            return await client.get(f"http://127.0.0.1:{port or self.port}{path}", timeout=30)

    async def busy(self) -> None:
        """Wait until a request is in flight."""
        async with asyncio.timeout(30):
            while b"load_in_flight_requests 1.0" not in await self._metrics():  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.02)

    async def closed(self) -> None:
        """Wait until the public listener takes no more connections."""
        async with asyncio.timeout(30):
            while await _accepts(self.port):  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.02)

    async def _metrics(self) -> bytes:
        return (await self.get("/metrics", self.admin_port)).content


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@pytest.fixture
async def start():
    async with AsyncExitStack() as stack:

        @asynccontextmanager
        async def process(*words: str, **server: object) -> AsyncIterator[Process]:
            inner = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", SERVICE),
                json.dumps({"port": 0, "admin_port": 0} | server),
                *words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                yield Process(inner)
            finally:
                if inner.returncode is None:
                    inner.kill()
                await inner.communicate()

        async def run(*words: str, **server: object) -> Process:
            service = await stack.enter_async_context(process(*words, **server))
            if not words:
                line = await service.said("listening")
                service.port, service.admin_port = line["port"], line["admin_port"]
            return service

        yield run


async def test_admin_routes_answer_on_the_admin_port_alone(start):
    service = await start()
    assert (await service.get("/livez", service.admin_port)).status_code == 200
    assert (await service.get("/metrics", service.admin_port)).status_code == 200
    assert (await service.get("/livez")).status_code == 404
    assert (await service.get("/slow/0", service.admin_port)).status_code == 404
    assert (await service.get("/slow/0")).json() == "yes"


async def test_sigterm_drains_then_finishes_then_tears_down_and_exits_with_0(start):
    service = await start(drain_delay=3)
    slow = asyncio.create_task(service.get("/wait"))
    await service.busy()
    service.signal()
    await service.said("draining")
    during = await service.get("/slow/0")
    assert during.status_code == 200
    assert during.headers["connection"] == "close"
    assert (await service.get("/readyz", service.admin_port)).status_code == 503
    assert (await service.get("/livez", service.admin_port)).status_code == 200
    await service.closed()
    assert (await service.get("/livez", service.admin_port)).status_code == 200
    assert not slow.done()
    service.inner.stdin.write(b"\n")
    assert (await slow).json() == "yes"
    await service.said("torn down")
    assert await service.ended() == 0


async def test_ctrl_c_ends_in_order_too(start):
    service = await start()
    service.signal(signal.SIGINT)
    await service.said("torn down")
    assert await service.ended() == 0


async def test_a_second_signal_skips_the_waiting_and_still_tears_down(start):
    service = await start(drain_delay=60)
    slow = asyncio.create_task(service.get("/slow/60"))
    await service.busy()
    service.signal()
    await service.said("draining")
    service.signal()
    await service.said("torn down")
    assert await service.ended() == 1
    assert (await asyncio.gather(slow, return_exceptions=True))[0] is not None


async def test_requests_that_outlast_the_shutdown_timeout_are_dropped(start):
    service = await start(shutdown_timeout=0.3)
    slow = asyncio.create_task(service.get("/slow/60"))
    await service.busy()
    service.signal()
    await service.said("torn down")
    assert await service.ended() == 0
    await asyncio.gather(slow, return_exceptions=True)


async def test_a_signal_during_start_up_ends_it(start):
    service = await start("hanging")
    await service.said("hanging")
    service.signal()
    assert await service.ended() == 1


@pytest.mark.parametrize("name, option", [("port", "--port"), ("admin_port", "--admin-port")])
async def test_a_taken_port_is_one_line_that_names_it_and_the_way_out(start, name, option):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        service = await start("taken", **{name: port})
        assert await service.ended() == 3
    [line] = (await service.inner.stderr.read()).decode().splitlines()
    assert f"port {port} of 127.0.0.1 is taken" in line
    assert option in line


async def test_a_failed_start_is_one_line_that_says_why_and_where(start):
    service = await start("broken")
    assert await service.ended() == 3
    [line] = (await service.inner.stderr.read()).decode().splitlines()
    assert line.startswith("edge cannot start: ConnectionRefusedError: no store at store.example:1")
