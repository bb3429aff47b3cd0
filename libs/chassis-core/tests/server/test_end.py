"""The end of a process while what it talks to hangs: in order, in time, with its last words."""

import asyncio
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import create_server
from threading import Thread

import pytest
import redis
from chassis_core.server.hard_stop import LAST_BREATH
from chassis_core.server.listener import LAST_WORDS
from chassis_core.server.process import TEARDOWN
from chassis_core.settings import ServerSettings
from chassis_core.testing.servers import Missing, PostgresServer, execute

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

OURS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'edge'"


class Collector:
    """Takes spans over OTLP, and looks around when they come."""

    def __init__(self, look):
        self.seen = []
        collector = self

        class Endpoint(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.seen.append((body, look()))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_): ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
        self.port = self._server.server_port

    def __enter__(self):
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def collector_at(monkeypatch):
    def use(port):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        # Nothing leaves before the end, so that what is seen is the flush.
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")

    return use


@pytest.fixture
def stores(postgres_url, redis_url, monkeypatch):
    monkeypatch.setenv("DATABASE__URL", postgres_url)
    monkeypatch.setenv("REDIS__URL", redis_url)
    client = redis.Redis.from_url(redis_url)
    others = len(client.client_list())

    def connections():
        return len(execute(postgres_url, OURS)), len(client.client_list()) - others

    with client:
        yield connections


async def test_first_not_ready_then_deaf_then_drained_then_flushed_and_pools_close_last(
    start, stores, collector_at
):
    with Collector(stores) as collector:
        collector_at(collector.port)
        service = await start(drain_delay=1, shutdown_timeout=1)
        stuck = asyncio.create_task(service.get("/held/60"))
        await service.busy()
        service.signal()
        await service.said("draining")
        assert (await service.get("/readyz", service.admin_port)).status_code == 503
        assert (await service.get("/held/0")).status_code == 200
        await service.closed()
        assert not stuck.done()
        assert not collector.seen
        answer = await stuck
        assert answer.status_code == 503
        assert await service.ended() == 0
    await service.said("drained")
    [line] = [line for line in service.lines if line.get("url.path") == "/held/60"]
    [open_then] = [
        open_ for body, open_ in collector.seen if bytes.fromhex(line["trace_id"]) in body
    ]
    print(f"(PostgreSQL, Redis) connections while spans left: {open_then}, after: {stores()}")
    assert min(open_then) >= 1
    assert stores() == (0, 0)
    assert line["request_id"] == answer.headers["x-request-id"]


async def end_of(service, *, signals=1):
    """End a service with a stuck request and a stream without end; return code and seconds."""
    stuck = asyncio.create_task(service.get("/slow/60"))
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"tick")
    await service.busy(2)
    began = time.monotonic()
    service.signal()
    for _ in range(signals - 1):
        await service.said("draining")
        service.signal()
    code = await service.ended()
    took = time.monotonic() - began
    assert (await stuck).status_code == 503
    writer.close()
    await service.said("drained")
    assert {"/slow/60", "/stream"} <= {line.get("url.path") for line in service.lines}
    return code, took


async def test_a_collector_that_is_down_or_hangs_adds_two_seconds_at_most(start, collector_at):
    with Collector(lambda: None) as up, create_server(("127.0.0.1", 0)) as hanging:
        with create_server(("127.0.0.1", 0)) as closed:
            refusing = closed.getsockname()[1]
        ports = {"up": up.port, "down": refusing, "hangs": hanging.getsockname()[1]}
        took = {}
        for name, port in ports.items():
            collector_at(port)
            code, took[name] = await end_of(await start(shutdown_timeout=0.5))
            assert code == 0
    print({name: f"{seconds:.2f} s" for name, seconds in took.items()})
    assert up.seen
    assert took["down"] - took["up"] < 2 + 1
    assert took["hangs"] - took["up"] < 2 + 1


async def test_a_second_signal_ends_at_once_what_is_stuck_and_still_writes_its_lines(
    start, collector_at
):
    with create_server(("127.0.0.1", 0)) as hanging:
        collector_at(hanging.getsockname()[1])
        service = await start(drain_delay=60, shutdown_timeout=60)
        code, took = await end_of(service, signals=2)
    print(f"ended after {took:.2f} s")
    assert code == 1
    assert took < 20


@pytest.fixture
def hung_database(monkeypatch):
    try:
        server = PostgresServer()
    except Missing as missing:
        pytest.skip(str(missing))
    with server:
        monkeypatch.setenv("DATABASE__URL", server.url)
        yield server
        server.resume()


async def test_nothing_that_hangs_holds_the_process_longer_than_the_sum_of_its_limits(
    start, hung_database, collector_at
):
    with create_server(("127.0.0.1", 0)) as hanging:
        collector_at(hanging.getsockname()[1])
        service = await start("clinging", shutdown_timeout=0.5)
        await asyncio.gather(*(service.get("/held/0.3") for _ in range(8)))
        stuck = [
            asyncio.create_task(service.get("/held/60")),
            asyncio.create_task(service.get("/stuck/60", service.admin_port)),
        ]
        await service.busy()
        hung_database.pause()
        began = time.monotonic()
        service.signal()
        assert await service.ended() == 0
        took = time.monotonic() - began
        await asyncio.gather(*stuck, return_exceptions=True)
    await service.said("ended by force")
    print(f"ended after {took:.2f} s")
    assert took < 0.5 + LAST_WORDS + TEARDOWN + LAST_BREATH + 3


def test_the_sum_of_the_limits_is_less_than_what_an_orchestrator_grants():
    server = ServerSettings()
    assert 5 + server.shutdown_timeout + LAST_WORDS + TEARDOWN + LAST_BREATH <= 25
