"""Counts and times every response, under labels whose number is bounded."""

import math
import platform
import time
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Response
from opentelemetry import trace
from prometheus_client import (
    CollectorRegistry,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import choose_encoder
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis_core.concern import KNOWN_METHODS, Concern, ConcernSettings, Layer, Service, http_route

UNMATCHED = ("_OTHER", "unmatched")
"""Method and route of a request that no route takes."""
STRANGERS = (400, 404, 405)
"""Statuses that such requests are answered with: there from the start, so that the first counts."""
ABANDONED = 499
MEMORY_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Where a container finds its limit, by cgroups of version 2 and 1."""


class MetricsSettings(ConcernSettings):
    """How requests are timed."""

    buckets: tuple[float, ...] = (
        0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    )  # fmt: skip
    """Bounds of the duration histogram in seconds; the default is OpenTelemetry's for HTTP."""
    server_timing: bool = True
    """Whether responses tell their time in the service by `Server-Timing`."""


class MetricsMiddleware:
    """Times each request into `http_server_request_duration_seconds` (OTel semantic conventions).

    The route label is the route's template, or `unmatched` where no route takes the path or its
    method, and then the method is `_OTHER`, as is one that is not known: so strangers cannot make
    series at will. A request whose client left before an answer began counts as status 499.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: MetricsSettings,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._app = app
        self._server_timing = settings.server_timing
        self._duration = Histogram(
            "http_server_request_duration_seconds",
            "Duration of HTTP server requests.",
            ["http_request_method", "http_route", "http_response_status_code"],
            registry=registry,
            buckets=settings.buckets,
        )
        self._active = Gauge(
            "http_server_active_requests", "HTTP requests in flight.", registry=registry
        )
        self._children: dict[tuple[str, str, int], Histogram] = {}
        for status in STRANGERS:
            self._child(*UNMATCHED, status)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve and time one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = ABANDONED
        start = time.perf_counter()

        async def send_timed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self._server_timing:
                    spent = (time.perf_counter() - start) * 1000
                    timing = (b"server-timing", b"total;dur=%.1f" % spent)
                    message["headers"] = [*message.get("headers", ()), timing]
            await send(message)

        self._active.inc()
        try:
            await self._app(scope, receive, send_timed)
        finally:
            self._active.dec()
            self._observe(scope, status, time.perf_counter() - start)

    def _observe(self, scope: Scope, status: int, seconds: float) -> None:
        method, route = UNMATCHED
        if status != HTTPStatus.METHOD_NOT_ALLOWED and (matched := http_route(scope)):
            route = matched
            method = scope["method"] if scope["method"] in KNOWN_METHODS else method
        self._child(method, route, status).observe(seconds, _exemplar())

    def _child(self, method: str, route: str, status: int) -> Histogram:
        key = (method, route, status)
        if (child := self._children.get(key)) is None:
            child = self._children[key] = self._duration.labels(*map(str, key))
        return child


def _exemplar() -> dict[str, str] | None:
    span = trace.get_current_span().get_span_context()
    if not span.trace_flags.sampled:
        return None
    return {"trace_id": trace.format_trace_id(span.trace_id)}


def memory_limit(files: Iterable[Path] = MEMORY_LIMITS) -> float:
    """Return the bytes at which the kernel kills the container; infinity where it has no limit."""
    for file in files:
        with suppress(OSError, ValueError):  # "max" is no number
            return float(file.read_text())
    return math.inf


def _exposition(registry: CollectorRegistry) -> APIRouter:
    router = APIRouter()

    @router.get("/metrics", include_in_schema=False)
    async def metrics(accept: Annotated[str, Header()] = "") -> Response:
        encode, content_type = choose_encoder(accept)
        return Response(encode(registry), headers={"content-type": content_type})

    return router


def metrics(
    settings: MetricsSettings,
    *,
    service: Service | None = None,
    registry: CollectorRegistry | None = None,
) -> Concern:
    """Return the concern that times requests and exposes `/metrics` to the admin listener."""
    registry = registry or CollectorRegistry()
    service = service or Service()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    limit = Gauge(
        "process_memory_limit_bytes",
        "Bytes at which the kernel kills the container; +Inf where it has no limit.",
        registry=registry,
    )
    limit.set_function(memory_limit)  # a pod may be resized in place
    build = Gauge(
        "chassis_build_info",
        "Always 1; the labels say what runs.",
        ["service_name", "service_version", "deployment_environment_name", "python_version"],
        registry=registry,
    )
    labels = (service.name, service.version, service.environment, platform.python_version())
    build.labels(*labels).set(1)
    layer = Middleware(MetricsMiddleware, registry=registry, settings=settings)
    return Concern(
        name="metrics",
        middleware={Layer.METRICS: layer},
        admin_routers=[_exposition(registry)],
    )
