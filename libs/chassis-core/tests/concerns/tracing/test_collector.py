"""What a collector that is away costs the requests: nothing but their spans."""

import statistics
import time
import tracemalloc
from contextlib import AsyncExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import create_server
from threading import Thread

import pytest
from chassis_core import compose
from chassis_core.concern import Service
from chassis_core.concerns.tracing import TracingSettings, tracer_provider, tracing
from chassis_core.testing import running
from fastapi import APIRouter
from prometheus_client import CollectorRegistry

pytestmark = pytest.mark.alone

ROUNDS, BLOCK, QUEUE = 6, 150, 256
router = APIRouter()


@router.get("/x")
async def x() -> str:
    return "x"


class Collector(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def ports():
    """Of a collector that is up, one that refuses, and one that accepts and never answers."""
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Collector) as up,
        create_server(("127.0.0.1", 0)) as silent,
    ):
        with create_server(("127.0.0.1", 0)) as closed:
            refusing = closed.getsockname()[1]
        Thread(target=up.serve_forever, args=(0.05,), daemon=True).start()
        yield {"up": up.server_port, "refuses": refusing, "hangs": silent.getsockname()[1]}
        up.shutdown()


@pytest.fixture
async def clients(ports, monkeypatch):
    """Clients of three apps that differ in their collector, and the registries of these."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", str(QUEUE))
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "64")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    found, registries = {}, {}
    async with AsyncExitStack() as stack:
        for name, port in ports.items():
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
            registries[name] = CollectorRegistry()
            settings = TracingSettings(flush_timeout=0.1)
            service = Service(name, "1", "test")
            provider = tracer_provider(service, settings, registry=registries[name])
            app = compose([tracing(settings, provider=provider)], routers=[router])
            found[name] = await stack.enter_async_context(running(app))
        yield found, registries


async def block(client) -> list[float]:
    held = []
    for _ in range(BLOCK):
        start = time.perf_counter()
        await client.get("/x")
        held.append(time.perf_counter() - start)
    return held


async def test_requests_are_as_fast_without_a_collector_and_lost_spans_are_counted(clients):
    found, registries = clients
    times = {name: [] for name in found}
    grown = 0
    for number in range(ROUNDS):
        if number == ROUNDS // 2:
            tracemalloc.start()
            before, _ = tracemalloc.get_traced_memory()
            for client in found.values():
                await block(client)
            grown = tracemalloc.get_traced_memory()[0] - before
            tracemalloc.stop()
        for name, client in found.items():
            times[name] += await block(client)
    medians = {name: statistics.median(each) for name, each in times.items()}
    for name, each in times.items():
        p99 = statistics.quantiles(each, n=100)[98]
        fates = {fate: spans(registries[name], fate) for fate in ("exported", "failed", "dropped")}
        print(f"{name}: median {medians[name] * 1e6:.0f} us, p99 {p99 * 1e6:.0f} us, {fates}")
    ended = (ROUNDS + 1) * BLOCK
    assert spans(registries["up"], "dropped") == 0
    hanging = registries["hangs"]
    assert spans(hanging, "exported") == 0
    assert spans(hanging, "dropped") + spans(hanging, "failed") >= ended - QUEUE - 64
    assert spans(hanging, "dropped") > 0
    assert spans(registries["refuses"], "exported") == 0
    for name in ("refuses", "hangs"):
        assert medians[name] < 1.25 * medians["up"]
    print(f"grown by {grown / 1024:.0f} KiB in the middle")
    assert grown < 3 * QUEUE * 4096


def spans(registry: CollectorRegistry, outcome: str) -> float:
    return registry.get_sample_value("tracing_spans_total", {"outcome": outcome}) or 0
