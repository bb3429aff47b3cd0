"""What is measured of each command."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode, Tracer
from prometheus_client import CollectorRegistry, Histogram

from chassis_core.concerns.redis.errors import RedisBusy, RedisRefused


class Commands:
    """Times every command, and makes a span of it where the request has one."""

    def __init__(self, registry: CollectorRegistry | None, tracer: Tracer | None) -> None:
        self._tracer = tracer or trace.NoOpTracer()
        self._duration = Histogram(
            "redis_command_duration_seconds",
            "Time of a Redis command as its caller waited for it.",
            ["command", "outcome"],
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
            registry=registry,
        )

    @contextmanager
    def observe(self, command: str) -> Iterator[None]:
        """Observe the command that runs inside."""
        outcome, start = "ok", time.perf_counter()
        try:
            with self._span(command):
                yield
        except BaseException as error:
            outcome = _outcome(error)
            raise
        finally:
            self._duration.labels(command, outcome).observe(time.perf_counter() - start)

    @contextmanager
    def _span(self, command: str) -> Iterator[None]:
        if not trace.get_current_span().is_recording():
            yield
            return
        attributes = {"db.system.name": "redis", "db.operation.name": command}
        with self._tracer.start_as_current_span(
            command, kind=SpanKind.CLIENT, attributes=attributes, record_exception=False
        ) as span:
            try:
                yield
            except Exception as error:
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(StatusCode.ERROR)
                raise


def _outcome(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    if isinstance(error, RedisBusy):
        return "busy"
    if isinstance(error, RedisRefused):
        return "refused"
    return "timeout" if isinstance(error.__cause__, TimeoutError) else "error"
