"""A real listener in front of a small app, talked to in bytes."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from chassis_core import ServiceSettings, compose, standard
from chassis_core.settings import ServerSettings
from chassis_core.testing import Telemetry
from chassis_core.testing.listener import Raw, listening
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

LIMITS = ServerSettings(port=0, header_timeout=0.5, body_timeout=0.5, body_min_rate=5)


@pytest.fixture
def echo() -> APIRouter:
    router = APIRouter()

    @router.api_route("/echo", methods=["GET", "POST", "OPTIONS"])
    async def answer(request: Request) -> Response:
        return Response(await request.body())

    @router.get("/seen")
    async def seen(request: Request) -> dict[str, object]:
        return {"url": str(request.url), "headers": request.headers.items()}

    @router.post("/deaf")
    async def deaf() -> str:
        return "answered"

    @router.get("/boom")
    async def boom() -> None:
        raise ValueError("hunter2")

    @router.get("/late")
    async def late(request: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            await request.app.state.release.wait()
            yield b"late"

        return StreamingResponse(parts())

    @router.get("/half")
    async def half() -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"begun"
            raise ValueError("hunter2")

        return StreamingResponse(parts())

    return router


@pytest.fixture
async def raw(echo: APIRouter, telemetry: Telemetry) -> AsyncIterator[Raw]:
    edge = {"logs", "tracing", "metrics", "client_address", "request_id", "security_headers"}
    edge |= {"cors", "trusted_hosts", "errors", "load", "body_limit", "deadline"}
    settings = ServiceSettings(name="edge", server=LIMITS)
    concerns = [c for c in standard(settings, **telemetry.shared()) if c.name in edge]
    app = compose(concerns, routers=[echo])
    app.state.release = asyncio.Event()
    async with listening(app, LIMITS) as client:
        yield client


@pytest.fixture
def statuses():
    """The status codes in the bytes of a connection, in order."""

    def find(answer: bytes) -> list[int]:
        return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]

    return find
