import gzip

import httpx2
import pytest
from dev.collector import KEPT, KEPT_EXPORTS, Collector
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import Compression, OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind


@pytest.fixture
def collector():
    with Collector() as open_collector:
        yield open_collector


def provider(collector, service, compression=Compression.NoCompression):
    exporter = OTLPSpanExporter(f"{collector.url}/v1/traces", compression=compression)
    made = TracerProvider(
        resource=Resource.create({"service.name": service}), shutdown_on_exit=False
    )
    made.add_span_processor(SimpleSpanProcessor(exporter))
    return made


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_what_the_sdk_exports_arrives_with_service_kind_parent_and_attributes(
    collector, compression
):
    tracer = provider(collector, "orders", compression).get_tracer("test")
    with tracer.start_as_current_span("GET /a", kind=SpanKind.SERVER) as outer:
        with tracer.start_as_current_span("call", kind=SpanKind.CLIENT) as inner:
            inner.set_attribute("server.port", 8001)
        outer.set_status(trace.StatusCode.ERROR)

    call, server = collector.spans
    assert (server.service, server.name, server.kind) == ("orders", "GET /a", "SERVER")
    assert (server.error, call.error, server.parent_id) == (True, False, "")
    assert (call.kind, call.parent_id) == ("CLIENT", server.span_id)
    assert (call.trace_id, call.attributes) == (server.trace_id, {"server.port": 8001})
    assert server.start <= call.start <= call.end <= server.end


def test_a_trace_can_be_asked_for_over_http(collector):
    tracer = provider(collector, "users").get_tracer("test")
    for name in ("one", "two"):
        tracer.start_span(name).end()

    wanted = collector.spans[1]
    [found] = httpx2.get(f"{collector.url}/traces/{wanted.trace_id}").json()
    assert found["span_id"] == wanted.span_id
    assert collector.trace(wanted.trace_id) == [wanted]


def test_it_keeps_the_newest_spans_and_exports_and_no_more(collector):
    assert collector._spans.maxlen == KEPT
    assert collector._exports.maxlen == KEPT_EXPORTS


def test_an_export_is_kept_with_what_a_span_of_ours_leaves_out(collector):
    span = provider(collector, "users", Compression.Gzip).get_tracer("test").start_span("one")
    span.add_event("only there")
    span.end()
    assert b"only there" in b"".join(collector.exports)


def test_a_body_that_is_no_export_request_does_not_end_the_collector(collector, capsys):
    with pytest.raises(httpx2.HTTPError):
        httpx2.post(f"{collector.url}/v1/traces", content=b"\xff not protobuf")
    provider(collector, "users").get_tracer("test").start_span("after").end()
    assert [span.name for span in collector.spans] == ["after"]
    capsys.readouterr()


def test_another_path_is_not_found(collector):
    body = gzip.compress(b"")
    assert httpx2.post(f"{collector.url}/v1/metrics", content=body).status_code == 404
