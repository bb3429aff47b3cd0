import asyncio
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from socket import create_server
from threading import Thread

import pytest
from chassis_core import compose
from chassis_core.concern import Service
from chassis_core.concerns.errors import errors
from chassis_core.concerns.request_id import request_id
from chassis_core.concerns.tracing import TracingSettings, tracer_provider, tracing
from chassis_core.testing import Telemetry, running
from fastapi import APIRouter
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import CollectorRegistry

router = APIRouter(prefix="/v1")
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@router.get("/things/{thing}")
async def thing(thing: str) -> str:
    return trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)


@router.get("/boom")
async def boom() -> None:
    raise RuntimeError("cannot reach postgresql://app:hunter2@db/orders")


def _app(telemetry: Telemetry):
    concern = tracing(TracingSettings(), provider=telemetry.provider)
    return compose([concern, errors(), request_id()], routers=[router])


async def test_the_server_span_is_a_child_of_the_callers_span(telemetry):
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "vendor=1"}
    async with running(_app(telemetry)) as client:
        seen = (await client.get("/v1/things/a", headers=headers)).json()
    [span] = telemetry.spans
    assert seen == TRACE
    assert (span.context.trace_id, span.parent.span_id) == (int(TRACE, 16), int(SPAN, 16))
    assert dict(span.context.trace_state) == {"vendor": "1"}


async def test_the_span_is_named_by_the_route_and_follows_the_semantic_conventions(telemetry):
    async with running(_app(telemetry)) as client:
        answer = await client.get("/v1/things/a?token=hunter2")
    [span] = telemetry.spans
    assert (span.name, span.kind) == ("GET /v1/things/{thing}", SpanKind.SERVER)
    assert dict(span.attributes) == {
        "http.request.method": "GET",
        "http.route": "/v1/things/{thing}",
        "http.response.status_code": 200,
        "url.path": "/v1/things/a",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "client.address": "127.0.0.1",
        "request.id": answer.headers["x-request-id"],
    }
    assert span.status.status_code is StatusCode.UNSET


async def test_a_failed_request_fails_its_span_and_tells_no_secret(telemetry):
    async with running(_app(telemetry)) as client:
        await client.get("/v1/boom")
    [span] = telemetry.spans
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "RuntimeError"
    assert "RuntimeError" in str(span.events[0].attributes["exception.stacktrace"])
    assert "hunter2" not in str([event.attributes for event in span.events])


async def test_a_token_in_the_path_is_not_in_the_span(telemetry):
    async with running(_app(telemetry)) as client:
        await client.get("/v1/reset/eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1MSJ9.c2lnbmF0dXJl")
    assert telemetry.spans[0].attributes["url.path"] == "/v1/reset/[redacted]"


async def test_a_client_error_does_not_fail_the_span(telemetry):
    async with running(_app(telemetry)) as client:
        await client.get("/nowhere")
    assert telemetry.spans[0].status.status_code is StatusCode.UNSET


async def test_an_unknown_method_does_not_become_a_span_name(telemetry):
    async with running(_app(telemetry)) as client:
        await client.request("EVIL", "/v1/things/a")
    [span] = telemetry.spans
    assert span.name.startswith("HTTP")
    assert span.attributes["http.request.method"] == "_OTHER"


async def test_probes_leave_no_spans(telemetry):
    probes = APIRouter()

    @probes.get("/livez")
    async def livez() -> str:
        return "ok"

    from chassis_core import Concern

    concern = tracing(TracingSettings(), provider=telemetry.provider)
    app = compose([concern, Concern(name="health", admin_routers=[probes])], routers=[router])
    async with running(app) as client:
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/v1/livez/report")).status_code == 404
    assert [span.attributes["url.path"] for span in telemetry.spans] == ["/v1/livez/report"]


async def test_two_apps_in_one_process_keep_their_spans_apart():
    one, other = Telemetry(), Telemetry()
    async with running(_app(one)) as first, running(_app(other)) as second:
        await first.get("/v1/things/a")
        await second.get("/v1/things/b")
        await second.get("/v1/things/c")
    assert (len(one.spans), len(other.spans)) == (1, 2)


def test_the_standard_variables_name_the_service_and_set_the_sampler(monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "renamed")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=orders-1")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    provider = tracer_provider(Service("orders", "1.2.3", "production"), TracingSettings())
    attributes = provider.resource.attributes
    assert attributes["service.name"] == "renamed"
    assert attributes["service.version"] == "1.2.3"
    assert attributes["deployment.environment.name"] == "production"
    assert attributes["k8s.pod.name"] == "orders-1"
    assert not provider.get_tracer("t").start_span("s").is_recording()


@pytest.mark.parametrize("collector", ["refuses", "hangs"])
async def test_a_dead_collector_costs_only_the_spans(monkeypatch, collector):
    with create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        if collector == "refuses":
            silent.close()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        settings = TracingSettings(flush_timeout=0.2)
        provider = tracer_provider(Service("orders", "1", "test"), settings)
        concern = tracing(settings, provider=provider)
        app = compose([concern], routers=[router])
        async with asyncio.timeout(10):
            async with running(app) as client:
                for _ in range(600):
                    assert (await client.get("/v1/things/a")).status_code == 200
                stopping = time.monotonic()
        assert time.monotonic() - stopping < 5


class Collector(BaseHTTPRequestHandler):
    """Answers with `status`, and counts how often it was asked."""

    asked, status = 0, 200

    def do_POST(self) -> None:
        Collector.asked += 1
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(Collector.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


async def test_a_collector_that_is_away_is_left_alone_for_the_pause_and_tried_at_the_end(
    monkeypatch,
):
    registry = CollectorRegistry()

    def fates() -> tuple[float | None, float | None]:
        spans = "tracing_spans_total"
        return (
            registry.get_sample_value(spans, {"outcome": "exported"}),
            registry.get_sample_value(spans, {"outcome": "failed"}),
        )

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1.3")
        settings = TracingSettings(collector_pause=1)
        provider = tracer_provider(Service("orders", "1", "test"), settings, registry=registry)

        async def end_a_span(status: int) -> None:
            Collector.status = status
            provider.get_tracer("t").start_span("s").end()
            await asyncio.to_thread(provider.force_flush)

        await end_a_span(400)
        await end_a_span(400)
        assert (Collector.asked, fates()) == (2, (0, 2)), "who refuses a batch at once is there"
        await end_a_span(503)
        tried = Collector.asked
        await end_a_span(200)
        assert (Collector.asked, fates()) == (tried, (0, 4))
        await asyncio.sleep(settings.collector_pause)
        await end_a_span(200)
        assert fates() == (1, 4)
        await end_a_span(503)
        provider.get_tracer("t").start_span("last").end()
        Collector.status = 200
        await asyncio.to_thread(provider.shutdown)
        assert fates() == (2, 5)
        server.shutdown()
