"""The server as a process: two listeners, and an end in order."""

import asyncio
import signal
import socket
import time

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.alone]


async def test_admin_routes_answer_on_the_admin_port_alone(start):
    service = await start()
    assert (await service.get("/livez", service.admin_port)).status_code == 200
    assert (await service.get("/metrics", service.admin_port)).status_code == 200
    assert (await service.get("/livez")).status_code == 404
    assert (await service.get("/slow/0", service.admin_port)).status_code == 404
    assert (await service.get("/slow/0")).json() == "yes"


async def test_a_full_collection_walks_only_what_requests_have_made(start):
    service = await start()
    found = (await service.get("/frozen")).json()
    assert found["frozen"] > 20 * found["watched"]


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
    assert (await slow).status_code == 503


async def test_requests_that_outlast_the_shutdown_timeout_are_answered_503_with_their_id(start):
    service = await start(shutdown_timeout=0.3)
    slow = asyncio.create_task(service.get("/slow/60"))
    await service.busy()
    service.signal()
    await service.said("torn down")
    assert await service.ended() == 0
    answer = await slow
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    [line] = [line for line in service.lines if line["event"] == "request"]
    assert line["request_id"] == answer.headers["x-request-id"]
    assert line["http.response.status_code"] == 503


async def test_forty_requests_in_flight_at_sigterm_are_all_answered(start):
    service = await start()
    slow = [asyncio.create_task(service.get("/slow/2")) for _ in range(40)]
    await service.busy(40)
    service.signal()
    assert [answer.status_code for answer in await asyncio.gather(*slow)] == [200] * 40
    assert await service.ended() == 0


async def test_a_stream_without_end_is_cut_with_one_line_that_says_so(start):
    service = await start(shutdown_timeout=0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"tick" in await reader.readuntil(b"tick")
    service.signal()
    async with asyncio.timeout(20):
        rest = await reader.read()
    assert not rest.endswith(b"0\r\n\r\n")
    writer.close()
    assert await service.ended() == 0
    await service.said("answer cut")
    assert "exception" not in str(service.lines)


async def test_neither_a_clinging_teardown_nor_a_blocked_thread_holds_the_process(start):
    service = await start("clinging", shutdown_timeout=0.3)
    slow = asyncio.create_task(service.get("/blocked/60"))
    await service.busy()
    began = time.monotonic()
    service.signal()
    assert await service.ended() == 0
    assert time.monotonic() - began < 20
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


async def test_a_failed_start_is_one_line_that_says_why_and_where_and_no_secret(start):
    service = await start("broken")
    assert await service.ended() == 3
    [line] = (await service.inner.stderr.read()).decode().splitlines()
    why = (
        "edge cannot start: ConnectionRefusedError: no store at redis://:[redacted]@store.example:1"
    )
    assert line.startswith(why)
