"""How long a body may take: as long as it comes at a pace, and as long as nobody wants it."""

import asyncio
import time
from dataclasses import dataclass, field

import pytest
from chassis_core import compose
from chassis_core.concerns.errors import errors
from chassis_core.settings import ServerSettings
from chassis_core.testing import eventually
from chassis_core.testing.listener import listening
from fastapi import APIRouter, Request, Response

pytestmark = pytest.mark.alone

HEAD = b"POST /%b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
PIECE = b"a" * 20
MORE_THAN_WAITS = 70_000
"""Bytes of a body nobody reads after which nothing more is taken from the socket."""


@dataclass
class Serving:
    """A listener whose `/later` reads its body once it is told to."""

    router: APIRouter = field(default_factory=APIRouter)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        @self.router.post("/now")
        async def now(request: Request) -> Response:
            return Response(await request.body())

        @self.router.post("/later")
        async def later(request: Request) -> Response:
            await self.go.wait()
            return Response(await request.body())

    def at(self, **limits):
        app = compose([errors()], routers=[self.router])
        return listening(app, ServerSettings(port=0, **limits))


@pytest.fixture
def serving():
    return Serving()


def with_length(length, path=b"now"):
    return HEAD % path + b"Content-Length: %d\r\n\r\n" % length


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


CHUNKED = HEAD % b"now" + b"Transfer-Encoding: chunked\r\n\r\n"
TRICKLING = {
    "by length": [with_length(200), *[b"a"] * 200],
    "in chunks": [CHUNKED, *[chunk(b"a")] * 200],
    "by bytes of chunks": [CHUNKED, *(bytes([byte]) for byte in chunk(b"a" * 195))],
}


@pytest.mark.parametrize("how", TRICKLING)
async def test_a_body_that_trickles_is_408_as_one_that_stops(how, serving, statuses):
    async with serving.at(body_timeout=0.5, body_min_rate=1000) as raw:
        began = time.monotonic()
        answer = await trickled(raw, TRICKLING[how])
        took = time.monotonic() - began
    print(f"given up after {took:.2f} s; all of it would have taken 10")
    assert statuses(answer) == [408]


async def test_a_body_that_comes_slowly_at_a_pace_is_taken_to_its_end(serving, statuses):
    async with serving.at(body_timeout=0.7, body_min_rate=50) as raw:
        pieces = [PIECE] * 40
        request = with_length(len(b"".join(pieces)))
        assert statuses(await raw.exchange(request, *pieces, pause=0.05)) == [200]


async def test_a_fast_start_buys_no_more_patience_than_there_is(serving, statuses):
    async with serving.at(body_timeout=0.5, body_min_rate=1000) as raw:
        answer = await raw.exchange(with_length(100_000), b"a" * 60_000, until=9)
        assert statuses(answer) == [408]


async def test_time_in_which_nobody_reads_is_not_the_clients(serving, statuses):
    limit = 2.0
    async with serving.at(body_timeout=limit) as raw:
        reader, writer = await asyncio.open_connection("127.0.0.1", raw.port)
        writer.write(with_length(MORE_THAN_WAITS + 1, b"later") + b"a" * MORE_THAN_WAITS)
        [connection] = await connections(raw)
        await eventually(lambda: connection.flow and connection.flow.read_paused)
        await asyncio.sleep(0.8 * limit)
        serving.go.set()
        await asyncio.sleep(0.5 * limit)
        writer.write(b"a")
        assert statuses(await reader.read()) == [200]
        writer.close()


async def test_a_client_that_waits_for_100_has_all_its_time_from_then_on(serving, statuses):
    limit = 1.0
    async with serving.at(body_timeout=limit) as raw:
        reader, writer = await asyncio.open_connection("127.0.0.1", raw.port)
        request = with_length(1, b"later").replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
        writer.write(request)
        await asyncio.sleep(1.5 * limit)
        serving.go.set()
        assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"a")
        assert statuses(await reader.read()) == [200]
        writer.close()


async def trickled(raw, parts):
    """Send parts one by one until the server is heard, and return what it says."""
    reader, writer = await asyncio.open_connection("127.0.0.1", raw.port)
    heard = asyncio.create_task(reader.read())
    for part in parts:
        writer.write(part)
        await asyncio.wait({heard}, timeout=0.05)
        if heard.done():
            break
    writer.close()
    return await heard


async def connections(raw):
    found = raw.listener.server_state.connections
    await eventually(lambda: found)
    return list(found)
