"""A request that is one too many is refused when it was read, and is seen all the same."""

import asyncio

import pytest
from chassis_core import ServiceSettings, create_app
from chassis_core.concerns.load import STATE
from chassis_core.testing import Telemetry
from chassis_core.testing.listener import listening
from fastapi import APIRouter

GET = b"GET %b HTTP/1.1\r\nHost: localhost\r\n%b\r\n"
TRACED = b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"


@pytest.fixture
async def full():
    """A service with one place that is taken: its listener, its telemetry, its load."""
    router, release = APIRouter(), asyncio.Event()

    @router.get("/wait")
    async def wait() -> str:
        await release.wait()
        return "ok"

    telemetry = Telemetry()
    settings = ServiceSettings(name="full", load={"max_concurrency": 1, "retry_after": 3})
    async with listening(create_app(settings, routers=[router], **telemetry.shared())) as raw:
        load = raw.listener.lifespan.state[STATE]
        waiting = asyncio.create_task(raw.exchange(GET % (b"/wait", b"Connection: close\r\n")))
        async with asyncio.timeout(5):
            while not load.in_flight:  # noqa: ASYNC110 - a number
                await asyncio.sleep(0)
        telemetry.clear()
        yield raw, telemetry, load
        release.set()
        assert b"200 OK" in await waiting
        assert load.pending == load.in_flight == 0


async def test_its_answer_says_when_to_come_back_and_is_logged_and_counted(full):
    raw, telemetry, load = full
    answer = await raw.exchange(GET % (b"/wait", TRACED), until=0.5)
    assert answer.startswith(b"HTTP/1.1 503 ")
    for header in (b"retry-after: 3", b"x-content-type-options: nosniff", b"x-request-id: "):
        assert header in answer
    (line,) = telemetry.access_lines()
    assert line["http.response.status_code"] == 503
    assert line["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert line["request_id"].encode() in answer
    assert telemetry.sample("load_shed_requests_total", reason="in_flight") == 1
    assert load.pending == 1


async def test_it_costs_no_span(full):
    raw, telemetry, _ = full
    await raw.exchange(GET % (b"/wait", TRACED), until=0.5)
    assert telemetry.access_lines()
    assert not telemetry.spans


async def test_its_connection_serves_on_and_its_body_is_not_taken_for_a_request(full):
    raw, telemetry, _ = full
    body = b"GET /evil HTTP/1.1\r\n\r\n"
    post = b"POST /wait HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    answer = await raw.exchange(post + body, GET % (b"/wait", b""), until=0.5)
    assert answer.count(b"HTTP/1.1 503 ") == 2
    assert [line["url.path"] for line in telemetry.access_lines()] == ["/wait", "/wait"]


async def test_in_a_storm_it_is_held_back(full):
    raw, _, load = full
    load.limit._storm.hold = 0.3
    answer = asyncio.create_task(raw.exchange(GET % (b"/wait", b""), until=0.6))
    await asyncio.sleep(0.15)
    assert not answer.done()
    assert b" 503 " in await answer


async def test_a_client_that_leaves_while_it_is_held_back_leaves_nothing(full):
    raw, telemetry, load = full
    load.limit._storm.hold = 0.2
    await raw.exchange(GET % (b"/wait", b""), until=0.05)
    await asyncio.sleep(0.4)
    (line,) = telemetry.access_lines()
    assert line["http.response.status_code"] == 503
    assert load.pending == 1


async def test_a_client_that_leaves_while_its_requests_wait_for_their_turn_leaves_nothing():
    router, release = APIRouter(), asyncio.Event()

    @router.get("/wait")
    async def wait() -> None:
        await release.wait()

    app = create_app(ServiceSettings(name="left"), routers=[router], **Telemetry().shared())
    async with listening(app) as raw:
        load = raw.listener.lifespan.state[STATE]
        await raw.exchange(GET % (b"/wait", b"") * 20, until=0.1)
        release.set()
        async with asyncio.timeout(5):
            while raw.listener.server_state.connections:  # noqa: ASYNC110 - uvicorn's state
                await asyncio.sleep(0.01)
        assert load.pending == load.in_flight == 0
