"""A service to put under load, run as `chassis serve` runs one: `python -m bench.target '{...}'`.

The argument is its settings as JSON. Its routes cost a core, a place in a pool, time or memory.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator

from chassis_core import ServiceSettings, create_app, get_logger
from chassis_core.server import serve
from fastapi import APIRouter, BackgroundTasks, Request
from fastapi.responses import Response, StreamingResponse

POOL, QUERY = 8, 0.02
"""Places of the pool, and the seconds for which a request holds one."""
LARGE = b"a" * 4_000_000
log = get_logger(__name__)
router = APIRouter()
places = asyncio.Semaphore(POOL)


@router.get("/ping")
async def ping() -> str:
    return "ok"


@router.get("/busy/{milliseconds}")
async def busy(milliseconds: float) -> str:
    """Cost a core so long."""
    end = time.thread_time() + milliseconds / 1000
    while time.thread_time() < end:
        pass
    return "ok"


@router.get("/pool")
async def pool() -> str:
    """Cost a place in a pool."""
    async with places:
        await asyncio.sleep(QUERY)
    return "ok"


@router.get("/wait/{seconds}")
async def wait(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "ok"


@router.get("/stall/{seconds}")
async def stall(seconds: float) -> str:
    time.sleep(seconds)  # noqa: ASYNC251 - the fault
    return "ok"


@router.post("/echo")
async def echo(request: Request) -> Response:
    return Response(await request.body())


@router.get("/large")
async def large() -> Response:
    return Response(LARGE)


@router.get("/told/{mark}")
async def told(mark: str, tasks: BackgroundTasks) -> StreamingResponse:
    """Log the mark at the start, in a stream and in a background task."""
    log.info("began", mark=mark)

    async def parts() -> AsyncIterator[str]:
        for part in range(3):
            await asyncio.sleep(0.002)
            log.info("streamed", mark=mark)
            yield f"{part}"

    def after() -> None:
        log.info("after", mark=mark)

    tasks.add_task(after)
    return StreamingResponse(parts(), background=tasks)


def main() -> int:
    given = {"name": "target", "rate_limit": {"default": None}} | json.loads(sys.argv[1])
    settings = ServiceSettings(**given)
    return serve(create_app(settings, routers=[router]), settings)


if __name__ == "__main__":
    sys.exit(main())
