"""The concern that traces."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from starlette.middleware import Middleware

from chassis_core.concern import Concern, Layer, Service
from chassis_core.concerns.tracing.diagnosis import diagnose
from chassis_core.concerns.tracing.middleware import TracingMiddleware
from chassis_core.concerns.tracing.provider import (
    TracingSettings,
    endpoint,
    shut_down,
    tracer_provider,
)


def tracing(settings: TracingSettings, *, provider: TracerProvider | None = None) -> Concern:
    """Return the concern that gives every request a server span and flushes spans at the end."""
    provider = provider or tracer_provider(Service(), settings)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[Mapping[str, Any]]:
        try:
            yield {"tracer_provider": provider}
        finally:
            await shut_down(provider, settings.flush_timeout)

    layer = Middleware(TracingMiddleware, tracer=provider.get_tracer("chassis-core"))
    return Concern(
        name="tracing",
        middleware={Layer.TRACING: layer},
        lifespan=lifespan,
        diagnose=diagnose if endpoint() else None,
    )
