"""STUB tracing."""

from typing import Any

from opentelemetry.sdk.trace import TracerProvider

from chassis_core.concern import Concern, ConcernSettings, Service


class TracingSettings(ConcernSettings):
    """STUB."""


def tracer_provider(settings: TracingSettings, service: Service) -> TracerProvider:
    """STUB."""
    return TracerProvider()


def tracing(settings: TracingSettings, **_: Any) -> Concern:
    """STUB."""
    return Concern(name="tracing")
