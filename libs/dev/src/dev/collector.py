"""A small OTLP collector: it keeps the newest spans in memory and answers for a trace."""

import gzip
import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

KEPT, KEPT_EXPORTS = 50_000, 2_000
LARGEST = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Span:
    """One span as a service exported it; times are nanoseconds since 1970."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    start: int
    end: int
    error: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def milliseconds(self) -> float:
        """How long it took."""
        return (self.end - self.start) / 1e6


class Collector:
    """Takes OTLP over HTTP (protobuf) on a free port while it is open.

    Args:
        host: the address it listens on.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._spans: deque[Span] = deque(maxlen=KEPT)
        self._exports: deque[bytes] = deque(maxlen=KEPT_EXPORTS)
        collector = self

        class Endpoint(_Endpoint):
            spans = collector._spans
            exports = collector._exports

        self._server = ThreadingHTTPServer((host, 0), Endpoint)
        self.url = f"http://{host}:{self._server.server_port}"

    def __enter__(self) -> Self:
        """Start to listen."""
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop to listen; the spans stay."""
        self._server.shutdown()
        self._server.server_close()

    @property
    def spans(self) -> list[Span]:
        """The newest spans, in the order in which they came."""
        return list(self._spans)

    @property
    def exports(self) -> list[bytes]:
        """The newest exports as they came, with all that a `Span` leaves out."""
        return list(self._exports)

    def trace(self, trace_id: str) -> list[Span]:
        """Return the spans of one trace that have come so far."""
        return [span for span in self.spans if span.trace_id == trace_id]


class _Endpoint(BaseHTTPRequestHandler):
    spans: deque[Span]
    exports: deque[bytes]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        size = int(self.headers.get("content-length", 0))
        if self.path != "/v1/traces" or size > LARGEST:
            self.close_connection = True
            self._answer(404 if size <= LARGEST else 413)
            return
        body = self.rfile.read(size)
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.exports.append(body)
        self.spans.extend(decode(body))
        self._answer(200, "application/x-protobuf")

    def do_GET(self) -> None:
        trace_id = self.path.removeprefix("/traces/")
        found = [asdict(span) for span in list(self.spans) if span.trace_id == trace_id]
        self._answer(200, "application/json", json.dumps(found).encode())

    def _answer(self, status: int, content_type: str = "text/plain", body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        pass


def decode(body: bytes) -> Iterator[Span]:
    """Yield the spans of one OTLP export request."""
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = _values(resource.resource.attributes).get("service.name", "")
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    service=service,
                    name=span.name,
                    kind=WireSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    start=span.start_time_unix_nano,
                    end=span.end_time_unix_nano,
                    error=span.status.code == Status.STATUS_CODE_ERROR,
                    attributes=_values(span.attributes),
                )


def _values(attributes: Any) -> dict[str, Any]:
    pairs: list[KeyValue] = list(attributes)
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value")
        for pair in pairs
    }
