"""The tracer provider of one app, set up by the standard OTEL_* variables."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread

from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry, Counter
from pydantic import Field

from chassis_core.concern import ConcernSettings, Service


class TracingSettings(ConcernSettings):
    """What OpenTelemetry has no variable for; everything else is set by OTEL_*."""

    flush_timeout: float = Field(2.0, gt=0)
    """Seconds the last spans get to leave at shutdown: well inside the grace period of a pod, even
    with a collector that hangs."""


def tracer_provider(
    service: Service, *, registry: CollectorRegistry | None = None
) -> TracerProvider:
    """Return a provider that exports over OTLP to where OTEL_EXPORTER_OTLP_ENDPOINT says.

    Without an endpoint, or with OTEL_TRACES_EXPORTER=none, spans exist for logs and propagation and
    go nowhere. The sampler is OTEL_TRACES_SAMPLER: parent-based and always on unless set.
    """
    own = Resource.create(
        {
            "service.name": service.name,
            "service.version": service.version,
            "deployment.environment.name": service.environment,
        }
    )
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES belong to operators: they win over the code.
    resource = own.merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    if (sender := exporter()) is not None:
        counted = CountedExporter(sender, registry or CollectorRegistry())
        provider.add_span_processor(CountedProcessor(counted))
    return provider


class CountedExporter(SpanExporter):
    """Counts what becomes of spans: `tracing_spans_total{outcome="exported"|"failed"|"dropped"}`.

    Attributes:
        taken: spans that the queue has given out.
        dropped: counts spans that found the queue full.
    """

    def __init__(self, exporter: SpanExporter, registry: CollectorRegistry) -> None:
        self._exporter = exporter
        spans = Counter("tracing_spans", "Spans by fate.", ["outcome"], registry=registry)
        self._exported = spans.labels("exported")
        self._failed = spans.labels("failed")
        self.dropped = spans.labels("dropped")
        self.taken = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export a batch."""
        self.taken += len(spans)
        result = self._exporter.export(spans)
        outcome = self._exported if result is SpanExportResult.SUCCESS else self._failed
        outcome.inc(len(spans))
        return result

    def shutdown(self) -> None:
        """Stop; a retry that waits is given up."""
        self._exporter.shutdown()


class CountedProcessor(BatchSpanProcessor):
    """A bounded queue: while the collector is slow or gone, each new span pushes one out."""

    def __init__(self, exporter: CountedExporter) -> None:
        self._room: int = self._default_max_queue_size()  # type: ignore[no-untyped-call] # the SDK's
        self._counted = exporter
        self._kept = 0
        super().__init__(exporter, max_queue_size=self._room)

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span that is sampled."""
        if span.context is not None and span.context.trace_flags.sampled:
            if self._kept - self._counted.taken >= self._room:
                self._counted.dropped.inc()
            else:
                self._kept += 1
        super().on_end(span)


def endpoint() -> str:
    """Return where spans go, as the variable has it; "" if they go nowhere."""
    off = os.environ.get("OTEL_TRACES_EXPORTER", "otlp") == "none"
    return "" if off else _first("ENDPOINT")


def exporter(timeout: int | None = None) -> SpanExporter | None:
    """Return what sends spans to the collector, None if they go nowhere.

    Args:
        timeout: seconds that a batch may take; OTEL_EXPORTER_OTLP_TIMEOUT unless given.
    """
    if not endpoint():
        return None
    if _first("PROTOCOL") == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as grpc

        return grpc.OTLPSpanExporter(timeout=timeout)
    from opentelemetry.exporter.otlp.proto.http import trace_exporter as http

    return http.OTLPSpanExporter(timeout=timeout)


def _first(what: str) -> str:
    names = (f"OTEL_EXPORTER_OTLP_TRACES_{what}", f"OTEL_EXPORTER_OTLP_{what}")
    return next((os.environ[name] for name in names if os.environ.get(name)), "")


async def shut_down(provider: TracerProvider, timeout: float) -> None:
    """Send the spans that wait and stop, in `timeout` seconds at most.

    The SDK's own timeouts do not hold against a collector that hangs, so it stops in a thread
    that the process does not wait for.
    """
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        provider.shutdown()
        with suppress(RuntimeError):  # the loop may have closed while a collector hung
            loop.call_soon_threadsafe(done.set)

    Thread(target=stop, daemon=True).start()
    with suppress(TimeoutError):
        await asyncio.wait_for(done.wait(), timeout)
