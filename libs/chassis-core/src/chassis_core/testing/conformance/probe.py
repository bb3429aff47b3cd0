"""Routes that are added to a service while it is asked: they fail, wait and answer on demand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict

from chassis_core.concerns.auth import CurrentUser
from chassis_core.concerns.rate_limit import RateLimit

BASE = "/conformance-probe"
CAUSE = "the-cause-that-nobody-outside-may-read"
"""In the text of the exception that `/boom` raises."""
_ONCE = RateLimit("1/hour", by="address", name="conformance_probe")


class Note(BaseModel):
    """The body that the probe reads."""

    model_config = ConfigDict(extra="forbid")

    text: str
    number: int = 0


async def _boom() -> None:
    raise RuntimeError(CAUSE)


async def _conflict() -> None:
    raise HTTPException(409, "it is taken")


async def _slow() -> None:
    await asyncio.sleep(60)


async def _ok() -> dict[str, bool]:
    return {"ok": True}


async def _large() -> list[int]:
    return list(range(5000))


async def _events() -> StreamingResponse:
    async def events() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b"data: one of many events that would compress very well\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


async def _note(note: Note) -> Note:
    return note


async def _caller(caller: CurrentUser) -> str:
    return caller.subject


async def _limited(_: Annotated[None, Depends(_ONCE)]) -> dict[str, bool]:
    return {"ok": True}


def probe() -> APIRouter:
    """Return the routes; the OpenAPI document does not show them."""
    router = APIRouter(prefix=BASE, include_in_schema=False)
    reads: dict[str, Callable[..., Any]] = {
        "/boom": _boom, "/conflict": _conflict, "/slow": _slow, "/ok": _ok, "/large": _large,
        "/events": _events, "/caller": _caller, "/limited": _limited,
    }  # fmt: skip
    for path, endpoint in reads.items():
        router.add_api_route(path, endpoint, methods=["GET"], response_model=None)
    router.add_api_route("/note", _note, methods=["POST"])
    return router
