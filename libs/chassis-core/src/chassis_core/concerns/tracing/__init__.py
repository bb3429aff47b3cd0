"""Traces every request across services, and carries its spans to a collector."""

from chassis_core.concerns.tracing.concern import tracing
from chassis_core.concerns.tracing.middleware import TracingMiddleware
from chassis_core.concerns.tracing.provider import TracingSettings, tracer_provider
from chassis_core.concerns.tracing.w3c import extract

__all__ = ["TracingMiddleware", "TracingSettings", "extract", "tracer_provider", "tracing"]
