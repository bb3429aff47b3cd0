"""What no client can take from the others: connections, places, and time to read an answer."""

import asyncio
import socket

import pytest
from chassis_core import compose
from chassis_core.concerns.deadline import DeadlineSettings, deadline
from chassis_core.concerns.errors import errors
from chassis_core.concerns.load import LoadSettings, load
from chassis_core.settings import ServerSettings
from chassis_core.testing.listener import listening
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

pytestmark = pytest.mark.alone

GET = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n"
STALLED = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nab"
LARGE = 30_000_000


@pytest.fixture
def serving():
    router = APIRouter()

    @router.api_route("/echo", methods=["GET", "POST"])
    async def echo(request: Request) -> Response:
        return Response(await request.body())

    @router.get("/large")
    async def large() -> Response:
        return Response(b"a" * LARGE)

    @router.get("/endless")
    async def endless() -> StreamingResponse:
        async def parts():
            while True:
                yield b"a" * 65_536

        return StreamingResponse(parts())

    def serve(*, places=200, time=30.0, **limits):
        settings = ServerSettings(port=0, **limits)
        load_concern = load(LoadSettings(max_concurrency=places))
        concerns = [errors(), load_concern, deadline(DeadlineSettings(timeout=time))]
        return listening(compose(concerns, routers=[router]), settings)

    return serve


async def stuck(port, path):
    """Ask for an answer and take next to nothing of it."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    await asyncio.get_running_loop().sock_sendall(sock, GET % path)
    return sock


async def gone(raw, count=0):
    async with asyncio.timeout(10):
        while len(raw.listener.server_state.connections) > count:  # noqa: ASYNC110 - uvicorn's set
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("path", [b"/large", b"/endless"])
async def test_a_client_that_does_not_read_its_answer_is_cut(serving, path):
    async with serving(write_timeout=0.5) as raw:
        sock = await stuck(raw.port, path)
        await gone(raw)
        sock.close()


async def test_a_client_that_reads_slowly_and_steadily_gets_its_answer_whole(serving):
    async with serving(write_timeout=0.5) as raw:
        reader, writer = await asyncio.open_connection("127.0.0.1", raw.port, limit=65_536)
        writer.write(GET % b"/large")
        await reader.readuntil(b"\r\n\r\n")
        taken = 0
        while taken < LARGE and (part := await reader.read(1_000_000)):
            taken += len(part)
            await asyncio.sleep(0.005)
        writer.close()
    assert taken == LARGE


async def test_bodies_that_do_not_come_take_no_place_from_requests_that_do(serving, statuses):
    async with serving(places=2, body_timeout=5) as raw:
        stalled = [asyncio.create_task(raw.exchange(STALLED, until=2)) for _ in range(10)]
        async with asyncio.timeout(5):
            while len(raw.listener.server_state.tasks) < 10:  # noqa: ASYNC110 - uvicorn's set
                await asyncio.sleep(0.02)
        answer = await raw.exchange(GET % b"/echo", until=1)
        assert statuses(answer) == [200]
        await asyncio.gather(*stalled)


async def test_the_connection_that_has_been_idle_for_longest_makes_room(serving, statuses):
    async with serving(max_connections=3) as raw:
        idle = [await asyncio.open_connection("127.0.0.1", raw.port) for _ in range(3)]
        await gone(raw, 3)
        assert statuses(await raw.exchange(GET % b"/echo", until=1)) == [200]
        async with asyncio.timeout(5):
            assert await idle[0][0].read() == b""
        idle[2][1].write(GET % b"/echo")
        assert b"200 OK" in await idle[2][0].readuntil(b"\r\n")
        for _, writer in idle:
            writer.close()


BEGUN = GET % b"/echo" + b"GET /echo HTTP/1.1\r\nHost:"


@pytest.mark.parametrize("stalled", [STALLED, GET % b"/echo" + STALLED, BEGUN])
async def test_connections_whose_requests_do_not_come_make_room_for_those_whose_do(
    serving, statuses, stalled
):
    async with serving(max_connections=3, body_timeout=5) as raw:
        waiting = [asyncio.create_task(raw.exchange(stalled, until=4)) for _ in range(3)]
        await asyncio.sleep(0.3)
        assert statuses(await raw.exchange(GET % b"/echo", until=1)) == [200]
        assert statuses(await raw.exchange(GET % b"/echo", until=1)) == [200]
        await asyncio.gather(*waiting)


@pytest.mark.parametrize("more", [b"", GET % b"/echo", STALLED])
@pytest.mark.parametrize("path", [b"/large", b"/endless"])
async def test_clients_that_do_not_read_their_answers_make_room_for_those_that_do(
    serving, statuses, path, more
):
    async with serving(max_connections=3) as raw:
        stuck_ones = [await stuck(raw.port, path) for _ in range(3)]
        await asyncio.sleep(0.3)
        for sock in stuck_ones:
            await asyncio.get_running_loop().sock_sendall(sock, more)
        await asyncio.sleep(0.1)
        assert statuses(await raw.exchange(GET % b"/echo", until=1)) == [200]
        assert len(raw.listener.server_state.connections) <= 3
        for sock in stuck_ones:
            sock.close()


async def test_a_stream_cut_by_its_deadline_is_one_line_without_a_traceback(serving, caplog):
    async with serving(time=0.2) as raw:
        answer = await raw.exchange(GET % b"/endless")
    assert answer.startswith(b"HTTP/1.1 200")
    [record] = [record for record in caplog.records if record.name.startswith("chassis_core")]
    assert record.getMessage() == "answer cut"
    assert record.reason == "504: No answer within 0.2 seconds."
    assert not record.exc_info
