"""What an app under test emitted: its spans, its log lines, its metric samples."""

import io
import json
from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from chassis_core.app import Shared


class Telemetry:
    """Captures one app's telemetry: pass `shared()` to `create_app`."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._log = io.BytesIO()
        self.registry = CollectorRegistry()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def shared(self) -> Shared:
        """Return what `create_app` takes to emit into this capture."""
        return {
            "registry": self.registry,
            "tracer_provider": self.provider,
            "log_stream": self._log,
        }

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """The spans that have ended, oldest first."""
        return self._exporter.get_finished_spans()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log lines, each parsed; a line that is not JSON fails the test."""
        return [json.loads(line) for line in self._log.getvalue().splitlines()]

    def access_lines(self) -> list[dict[str, Any]]:
        """The access lines alone: one a request."""
        return [line for line in self.lines if line["event"] == "request"]

    def sample(self, name: str, **labels: str) -> float | None:
        """Return the value of a metric sample, or None if it was never written."""
        return self.registry.get_sample_value(name, labels)

    def clear(self) -> None:
        """Forget the spans and lines so far; metrics only ever grow."""
        self._exporter.clear()
        self._log.seek(0)
        self._log.truncate()
