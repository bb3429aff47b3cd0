"""The deadline on assembled apps: what it ends, what it leaves alone."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from chassis_core import compose, context
from chassis_core.concerns.deadline import DeadlineSettings, deadline
from chassis_core.concerns.errors import errors
from chassis_core.concerns.request_id import request_id
from chassis_core.settings import ServerSettings
from chassis_core.testing import running
from chassis_core.testing.listener import listening
from fastapi import APIRouter, BackgroundTasks
from fastapi.responses import StreamingResponse


@pytest.fixture
def seen() -> list[str]:
    return []


@pytest.fixture
def app(seen: list[str]):  # noqa: C901 - a list of routes
    router = APIRouter()

    @router.get("/slow")
    async def slow() -> None:
        seen.append("started")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    @router.get("/stubborn")
    async def stubborn() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ValueError("converted") from None
        return "never"

    @router.get("/own")
    async def own() -> None:
        raise TimeoutError

    @router.get("/left")
    async def left() -> float | None:
        return context.current().time_left()

    @router.get("/background")
    async def background(tasks: BackgroundTasks) -> str:
        async def later() -> None:
            await asyncio.sleep(0.5)
            seen.append("done")

        tasks.add_task(later)
        return "ok"

    async def ticks() -> AsyncIterator[str]:
        for _ in range(6):
            yield "data: a\n\n"
            await asyncio.sleep(0.1)

    @router.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(ticks())

    @router.get("/events")
    async def events() -> StreamingResponse:
        return StreamingResponse(ticks(), media_type="text/event-stream")

    concerns = [request_id(), errors(), deadline(DeadlineSettings(timeout=0.2))]
    return compose(concerns, routers=[router])


@pytest.fixture
async def client(app):
    async with running(app) as client:
        yield client


async def test_a_request_that_takes_too_long_is_cancelled_and_answered_504(client, seen):
    answer = await client.get("/slow")
    assert answer.status_code == 504
    assert answer.headers["content-type"] == "application/problem+json"
    assert seen == ["started", "cancelled"]


async def test_a_handler_that_turns_the_cancellation_into_an_error_is_504_too(client):
    assert (await client.get("/stubborn")).status_code == 504


async def test_a_timeout_of_the_handlers_own_is_500(client):
    assert (await client.get("/own")).status_code == 500


@pytest.mark.parametrize("value", ["0", "-5"])
async def test_a_request_that_comes_too_late_is_504_and_does_no_work(client, seen, value):
    answer = await client.get("/slow", headers={"X-Request-Deadline-Ms": value})
    assert answer.status_code == 504
    assert seen == []


@pytest.mark.parametrize(
    "value, most", [("50", 0.05), ("100000", 0.2), ("soon", 0.2), ("1e3", 0.2), ("9" * 50, 0.2)]
)
async def test_a_caller_can_ask_for_less_time_and_never_for_more(client, value, most):
    left = (await client.get("/left", headers={"X-Request-Deadline-Ms": value})).json()
    assert most - 0.05 < left <= most


async def test_a_background_task_outlives_the_deadline(client, seen):
    assert (await client.get("/background")).status_code == 200
    assert seen == ["done"]


async def test_a_stream_is_cut_and_an_event_stream_is_not(app):
    request = "GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    async with listening(app, ServerSettings(port=0)) as raw:
        cut = await raw.exchange(request.format("/stream").encode())
        whole = await raw.exchange(request.format("/events").encode())
    assert cut.startswith(b"HTTP/1.1 200 ")
    assert not cut.endswith(b"0\r\n\r\n")
    assert whole.count(b"data: a") == 6
    assert whole.endswith(b"0\r\n\r\n")
