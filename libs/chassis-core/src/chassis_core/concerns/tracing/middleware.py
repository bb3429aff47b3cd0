"""One server span a request, by the OpenTelemetry semantic conventions for HTTP."""

import traceback
from typing import Any

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis_core import context
from chassis_core.concern import KNOWN_METHODS, http_route
from chassis_core.concerns.tracing.w3c import extract
from chassis_core.problem import REFUSAL
from chassis_core.redaction import scrub

_ROOT = otel.Context()
_IDS = RandomIdGenerator()


class TracingMiddleware:
    """Starts the server span as a child of the caller's, and makes it current for the request.

    The query string is left out of the span: it is where secrets travel. A request that was refused
    before the app saw it has ids, for its log line, and no span.
    """

    def __init__(self, app: ASGIApp, *, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request inside its span."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in KNOWN_METHODS else "HTTP"
        span = self._start(method, extract(scope["headers"]), refused=REFUSAL in scope)
        token = otel.attach(trace.set_span_in_context(span, _ROOT))
        try:
            if span.is_recording():
                await self._record(span, method, scope, receive, send)
            else:
                await self._app(scope, receive, send)
        finally:
            otel.detach(token)

    def _start(self, method: str, remote: SpanContext | None, *, refused: bool) -> Span:
        if refused:
            # Its log line and its metric say all there is, at a third of the cost of a span.
            return NonRecordingSpan(_context_within(remote))
        parent = trace.set_span_in_context(NonRecordingSpan(remote), _ROOT) if remote else _ROOT
        return self._tracer.start_span(method, parent, SpanKind.SERVER)

    async def _record(
        self, span: Span, method: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        status = 0

        async def send_watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_watched)
        finally:
            span.set_attributes(_attributes(scope, method, status))
            if route := http_route(scope):
                span.update_name(f"{method} {route}")
            if status >= 500 or not status:
                _fail(span, status)
            span.end()


def _context_within(remote: SpanContext | None) -> SpanContext:
    trace_id = remote.trace_id if remote else _IDS.generate_trace_id()
    return SpanContext(trace_id, _IDS.generate_span_id(), is_remote=False)


def _attributes(scope: Scope, method: str, status: int) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "http.request.method": method if method != "HTTP" else "_OTHER",
        "url.path": scrub(scope["path"]),
        "url.scheme": scope["scheme"],
        "network.protocol.version": scope["http_version"],
    }
    if status:
        attributes["http.response.status_code"] = status
    if route := http_route(scope):
        attributes["http.route"] = route
    if client := scope.get("client"):
        attributes["client.address"] = client[0]
    if (request := context.current()) is not None:
        attributes["request.id"] = request.request_id
    return attributes


def _fail(span: Span, status: int) -> None:
    request = context.current()
    error = request.error if request else None
    if error is not None:
        stack = scrub("".join(traceback.format_exception(error)))
        message = scrub(str(error))
        span.record_exception(error, {"exception.message": message, "exception.stacktrace": stack})
    kind = type(error).__qualname__ if error is not None else str(status or "client_left")
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))
