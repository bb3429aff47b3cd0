"""A service as a process, talked to over its two ports."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import httpx2
import pytest

SERVICE = """
import asyncio, gc, json, os, sys, time
from contextlib import asynccontextmanager
from chassis_core import Concern, ServiceSettings, Session, create_app
from chassis_core.server import serve
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import text

router, admin = APIRouter(), APIRouter()

@router.get("/slow/{seconds}")
async def slow(seconds: float, request: Request) -> str:
    await asyncio.sleep(seconds)
    return request.state.opened

@router.get("/frozen")
async def frozen() -> dict[str, int]:
    return {"frozen": gc.get_freeze_count(), "watched": len(gc.get_objects())}

@admin.get("/stuck/{seconds}")
async def stuck(seconds: float) -> None:
    await asyncio.sleep(seconds)

@router.get("/held/{seconds}")
async def held(seconds: float, session: Session) -> None:
    await session.execute(text("SELECT 1"))
    await asyncio.sleep(seconds)

@router.get("/blocked/{seconds}")
def blocked(seconds: float) -> None:
    time.sleep(seconds)

@router.get("/stream")
async def stream() -> StreamingResponse:
    async def ticks():
        while True:
            yield b"tick"
            await asyncio.sleep(0.05)
    return StreamingResponse(ticks())

@router.get("/wait")
async def wait(request: Request) -> str:
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    return request.state.opened

@asynccontextmanager
async def lifespan():
    if "broken" in sys.argv:
        raise ConnectionRefusedError("no store at redis://:hunter2@store.example:1")
    if "hanging" in sys.argv:
        print(json.dumps({"event": "hanging"}), flush=True)
        await asyncio.sleep(60)
    yield {"opened": "yes"}
    if "clinging" in sys.argv:
        await asyncio.sleep(60)
    print(json.dumps({"event": "torn down"}), flush=True)

settings = ServiceSettings(name="edge", server=json.loads(sys.argv[1]))
own = [Concern(name="own", lifespan=lifespan, admin_routers=[admin])]
app = create_app(settings, routers=[router], concerns=own)
raise SystemExit(serve(app, settings))
"""


@dataclass
class Process:
    """A service that runs, and what it has said."""

    inner: asyncio.subprocess.Process
    port: int = 0
    admin_port: int = 0
    lines: list[dict[str, object]] = field(default_factory=list)

    async def said(self, event: str) -> dict[str, object]:
        """Wait for a log line."""
        async with asyncio.timeout(30):
            while line := await self.inner.stdout.readline():
                self.lines.append(fields := json.loads(line))
                if fields["event"] == event:
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

    async def busy(self, requests: int = 1) -> None:
        """Wait until so many requests are in flight."""
        async with asyncio.timeout(30):
            while b"load_in_flight_requests %d.0" % requests not in await self._metrics():  # noqa: ASYNC110 - it is another process
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
            if words in {(), ("clinging",)}:
                line = await service.said("listening")
                service.port, service.admin_port = line["port"], line["admin_port"]
            return service

        yield run
