"""The tracer provider of one app, set up by the standard OTEL_* variables."""

import asyncio
import math
import os
import time
from collections.abc import Sequence
from contextlib import suppress

from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry, Counter
from pydantic import Field

from chassis_core.concern import ConcernSettings, Service
from chassis_core.concerns.tracing.aside import aside

AWAY = 0.5
"""Seconds that a batch takes at least to fail if nobody is there: it is tried again after 0.8."""


class TracingSettings(ConcernSettings):
    """What OpenTelemetry has no variable for; everything else is set by OTEL_*."""

    flush_timeout: float = Field(2.0, gt=0)
    """Seconds the last spans get to leave at shutdown: well inside the grace period of a pod, even
    with a collector that hangs."""

    collector_pause: float = Field(10.0, ge=0)
    """Seconds without a try after a batch that a collector did not take though it was tried again
    for some; the spans that end in them are lost, and counted as failed. So one that is away for
    long takes no time from requests, and one that restarts within five seconds loses nothing."""


def tracer_provider(
    service: Service, settings: TracingSettings, *, registry: CollectorRegistry | None = None
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
        counted = CountedExporter(sender, registry, settings.collector_pause)
        provider.add_span_processor(CountedProcessor(counted))
    return provider


class CountedExporter(SpanExporter):
    """Counts what becomes of spans: `tracing_spans_total{outcome="exported"|"failed"|"dropped"}`.

    Args:
        exporter: what sends a batch to the collector.
        registry: where the metric is.
        pause: seconds that it leaves a collector alone after a batch that failed.

    Attributes:
        taken: spans that the queue has given out.
        dropped: counts spans that found the queue full.
    """

    def __init__(
        self, exporter: SpanExporter, registry: CollectorRegistry | None, pause: float
    ) -> None:
        self._exporter = exporter
        self._pause = pause
        self._next_try = -math.inf
        spans = Counter("tracing_spans", "Spans by fate.", ["outcome"], registry=registry)
        self._exported = spans.labels("exported")
        self._failed = spans.labels("failed")
        self.dropped = spans.labels("dropped")
        self.taken = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export a batch; it fails at once while the collector is left alone."""
        self.taken += len(spans)
        if self._try(spans):
            self._exported.inc(len(spans))
            return SpanExportResult.SUCCESS
        self._failed.inc(len(spans))
        return SpanExportResult.FAILURE

    def end_pause(self) -> None:
        """Try the next batch, whatever became of the last."""
        self._next_try = -math.inf

    def _try(self, spans: Sequence[ReadableSpan]) -> bool:
        if (began := time.monotonic()) < self._next_try:
            return False
        if self._exporter.export(spans) is SpanExportResult.SUCCESS:
            return True
        # Who refuses at once is there, and may like the next batch better.
        if (ended := time.monotonic()) - began >= AWAY:
            self._next_try = ended + self._pause
        return False

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

    def shutdown(self) -> None:
        """Send what waits, and stop."""
        self._counted.end_pause()
        super().shutdown()  # type: ignore[no-untyped-call] # the SDK's

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
    """Send the spans that wait and stop, in `timeout` seconds at most."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await aside(provider.shutdown)
