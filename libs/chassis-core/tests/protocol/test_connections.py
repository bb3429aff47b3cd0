"""What one connection lives through: many requests, early answers, slow and broken clients."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from chassis_core import compose
from chassis_core.protocol import StrictProtocol
from chassis_core.testing.listener import listening
from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

HOST = b"Host: localhost\r\n"
GOOD = b"GET /echo HTTP/1.1\r\n" + HOST + b"\r\n"
LAST = b"GET /echo HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
CHUNKED = b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


def post(path: bytes, body: bytes, length: int | None = None) -> bytes:
    size = str(len(body) if length is None else length).encode()
    return b"POST %b HTTP/1.1\r\n%bContent-Length: %b\r\n\r\n%b" % (path, HOST, size, body)


async def test_pipelined_requests_are_answered_in_order_and_whole(raw):
    answer = await raw.exchange(post(b"/echo", b"one") + CHUNKED + b"3\r\ntwo\r\n0\r\n\r\n" + LAST)
    assert [part[-3:] for part in answer.split(b"HTTP/1.1 200 OK")[1:3]] == [b"one", b"two"]
    assert answer.count(b"HTTP/1.1 200 OK") == 3


async def test_a_client_that_sends_more_at_once_than_may_wait_is_refused(raw, statuses):
    slow = b"GET /late HTTP/1.1\r\n" + HOST + b"\r\n"
    asking = asyncio.create_task(raw.exchange(slow + GOOD * 10_000))
    await asyncio.sleep(0.2)
    raw.listener.config.app.state.release.set()
    answer = await asking
    assert statuses(answer) == [200] * (1 + raw.listener.config.limits.max_pipelined) + [429]
    assert b"retry-after: 1" in answer


async def test_a_stream_ends_when_its_client_leaves_though_more_requests_wait():
    router = APIRouter()

    @router.get("/endless")
    async def endless() -> Response:
        async def parts() -> AsyncIterator[bytes]:
            while True:
                yield b"more"
                await asyncio.sleep(0.01)

        return StreamingResponse(parts())

    async with listening(compose([], routers=[router])) as raw:
        await raw.exchange((b"GET /endless HTTP/1.1\r\n" + HOST + b"\r\n") * 2, until=0.1)
        async with asyncio.timeout(2):
            while raw.listener.server_state.tasks:  # noqa: ASYNC110 - uvicorn's state
                await asyncio.sleep(0.01)


async def test_head_and_body_of_an_answer_are_sent_together(raw, monkeypatch):
    sent = []
    write = StrictProtocol.write

    def watched(connection, data):
        sent.append(data)
        write(connection, data)

    monkeypatch.setattr(StrictProtocol, "write", watched)
    await raw.exchange(post(b"/echo", b"hello"), LAST)
    [first, second] = sent
    assert first.startswith(b"HTTP/1.1 200 OK")
    assert first.endswith(b"\r\n\r\nhello")
    assert second.endswith(b"\r\n\r\n")


async def test_the_head_of_a_stream_does_not_wait_for_its_first_part(raw):
    reader, writer = await asyncio.open_connection("127.0.0.1", raw.port)
    writer.write(b"GET /late HTTP/1.1\r\n" + HOST + b"\r\n")
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    raw.listener.config.app.state.release.set()
    async with asyncio.timeout(5):
        assert b"late" in await reader.readuntil(b"0\r\n\r\n")
    writer.close()


async def test_bytes_may_come_one_at_a_time(raw, statuses):
    request = post(b"/echo", b"hello")
    answer = await raw.exchange(*(bytes([byte]) for byte in request), LAST, pause=0)
    assert statuses(answer) == [200, 200]
    assert b"hello" in answer


async def test_an_absolute_target_brings_its_own_host(raw):
    request = (
        b"GET http://127.0.0.1:80/seen?a=b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    seen = json.loads((await raw.exchange(request)).partition(b"\r\n\r\n")[2])
    assert seen["url"] == "http://127.0.0.1:80/seen?a=b"
    assert [value for name, value in seen["headers"] if name == "host"] == ["127.0.0.1:80"]


async def test_a_trailer_never_becomes_a_header(raw):
    trailer = b"1\r\na\r\n0\r\nAuthorization: Bearer hunter2\r\n\r\n"
    request = b"GET /seen HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    assert b"hunter2" not in await raw.exchange(request + trailer + LAST)


async def test_http_1_0_needs_no_host_for_the_parser_and_closes(raw, statuses):
    answer = await raw.exchange(b"GET /echo HTTP/1.0\r\n" + HOST + b"\r\n", until=2)
    assert statuses(answer) == [200]
    assert b"connection: close" in answer


async def test_options_may_ask_about_the_server_itself(raw, statuses):
    [status] = statuses(await raw.exchange(b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", until=0.5))
    assert 200 <= status < 500


async def test_an_upgrade_is_answered_as_plain_http_without_a_word(raw, statuses, caplog):
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"
    answer = await raw.exchange(b"GET /echo HTTP/1.1\r\n" + HOST + upgrade + GOOD)
    assert statuses(answer) == [200]
    assert b"connection: close" in answer
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]


async def test_a_client_that_waits_for_100_is_told_to_go_on_only_if_the_body_is_wanted(
    raw, statuses
):
    head = b"POST %b HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: %b\r\n\r\n"
    assert statuses(await raw.exchange(head % (b"/echo", b"2"), b"ok" + LAST)) == [100, 200, 200]
    assert statuses(await raw.exchange(head % (b"/echo", b"9999999"))) == [413]


async def test_a_connection_outlives_an_unhandled_exception(raw, statuses):
    boom = b"GET /boom HTTP/1.1\r\n" + HOST + b"\r\n"
    answer = await raw.exchange(boom + LAST)
    assert statuses(answer) == [500, 200]
    assert b"hunter2" not in answer


async def test_an_answer_that_fails_half_way_is_cut_and_not_ended(raw, statuses):
    answer = await raw.exchange(b"GET /half HTTP/1.1\r\n" + HOST + b"\r\n" + GOOD)
    assert statuses(answer) == [200]
    assert answer.endswith(b"5\r\nbegun\r\n")


@pytest.mark.parametrize("size", [20_000_000, 262_145])
async def test_a_large_body_is_refused_before_it_is_sent_and_the_answer_arrives(
    raw, statuses, size
):
    answer = await raw.exchange(post(b"/echo", b"a" * 200_000, size), b"a" * 200_000)
    assert statuses(answer) == [413]
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 413


async def test_a_chunked_body_is_refused_when_its_sum_passes_the_limit(raw, statuses):
    chunk = b"%x\r\n%b\r\n" % (100_000, b"a" * 100_000)
    answer = await raw.exchange(CHUNKED, *[chunk] * 12, pause=0)
    assert statuses(answer) == [413]
    assert b"application/problem+json" in answer


async def test_an_answer_that_does_not_wait_for_the_body_closes(raw, statuses):
    answer = await raw.exchange(post(b"/nowhere", b"a" * 10, 200_000))
    assert statuses(answer) == [404]
    assert b"connection: close" in answer


async def test_a_fault_in_a_later_chunk_is_400_for_whoever_reads_the_body(raw, statuses, telemetry):
    answer = await raw.exchange(CHUNKED, b"3\r\nabc\r\n", b"xyz\r\n", pause=0.1)
    assert statuses(answer) == [400]
    [line] = telemetry.access_lines()
    assert line["http.response.status_code"] == 400


async def test_a_head_that_does_not_come_is_408(raw, statuses):
    assert statuses(await raw.exchange(b"GET /echo HTTP/1.1\r\nHos")) == [408]


async def test_a_head_that_trickles_is_408(raw, statuses):
    assert statuses(await raw.exchange(*[b"G", b"E", b"T", b" ", b"/", b"a", b"a"], pause=0.1)) == [
        408
    ]


async def test_a_connection_without_a_request_is_closed(raw):
    assert await raw.exchange(until=3) == b""
    assert await raw.exchange(*[b"\r\n"] * 10, pause=0.1, until=3) == b""
    assert not raw.listener.server_state.connections


async def test_a_body_that_stops_is_408(raw, statuses):
    assert statuses(await raw.exchange(post(b"/echo", b"ab", 10))) == [408]


async def test_a_body_that_keeps_coming_is_waited_for(raw, statuses):
    parts = [b"a"] * 8
    answer = await raw.exchange(post(b"/echo", b"", 8), *parts, LAST, pause=0.1)
    assert statuses(answer) == [200, 200]


async def test_a_kept_connection_waits_longer_than_a_head_may(raw, statuses):
    assert statuses(await raw.exchange(GOOD, LAST, pause=0.8)) == [200, 200]


async def test_many_slow_clients_do_not_stop_the_others(raw, statuses):
    slow = [raw.exchange(b"GET /echo HTTP/1.1\r\nX:") for _ in range(200)]
    good = [raw.exchange(GOOD, LAST) for _ in range(20)]
    answers = await asyncio.gather(*good, *slow)
    assert [statuses(answer) for answer in answers[:20]] == [[200, 200]] * 20
    assert [statuses(answer) for answer in answers[20:]] == [[408]] * 200
