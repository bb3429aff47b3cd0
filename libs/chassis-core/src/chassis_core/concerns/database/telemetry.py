"""Spans and metrics of statements and of the connection pool (OTel semantic conventions)."""

import re
import time
from functools import lru_cache
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from sqlalchemy import Engine, event
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.pool import AsyncAdaptedQueuePool, PoolProxiedConnection

from chassis_core.concerns.database.errors import code

OPERATIONS = ("SELECT", "INSERT", "UPDATE", "DELETE", "OTHER")
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
MAX_TEXT = 2048
_TARGET = re.compile(r"\b(?:FROM|INTO|UPDATE|TABLE)\s+([\w.\"]+)", re.IGNORECASE)


class MeteredPool(AsyncAdaptedQueuePool):
    """A queue of connections that tells how long each was waited for."""

    # SQLAlchemy names the logger of a pool by it: one of our own would tell of every disposal.
    __module__ = AsyncAdaptedQueuePool.__module__

    metrics: "PoolMetrics | None" = None

    def connect(self) -> PoolProxiedConnection:
        """Check a connection out."""
        if self.metrics is None:
            return super().connect()
        start = time.perf_counter()
        try:
            return super().connect()
        except PoolExhausted:
            self.metrics.timeouts.inc()
            raise
        finally:
            self.metrics.wait.observe(time.perf_counter() - start)

    def recreate(self) -> "MeteredPool":
        """Return a new pool in place of a closed one, with the same metrics."""
        pool = super().recreate()
        assert isinstance(pool, MeteredPool)  # noqa: S101 - it makes its own kind
        pool.metrics = self.metrics
        return pool


class PoolMetrics:
    """The state of one engine's pool, read when it is scraped."""

    def __init__(self, engine: Engine, registry: CollectorRegistry | None) -> None:
        count = Gauge(
            "db_client_connection_count",
            "Connections of the pool, by state.",
            ["db_client_connection_state"],
            registry=registry,
        )
        count.labels("used").set_function(lambda: _pool(engine).checkedout())
        count.labels("idle").set_function(lambda: _pool(engine).checkedin())
        limit = Gauge(
            "db_client_connection_max",
            "Connections that the pool may open.",
            registry=registry,
        )
        limit.set_function(lambda: _pool(engine).size() + _pool(engine)._max_overflow)  # noqa: SLF001 - has no public name
        self.wait = Histogram(
            "db_client_connection_wait_time_seconds",
            "Time to obtain a connection.",
            buckets=BUCKETS,
            registry=registry,
        )
        self.timeouts = Counter(
            "db_client_connection_timeouts",
            "Requests that got no connection in time.",
            registry=registry,
        )
        _pool(engine).metrics = self


def _pool(engine: Engine) -> MeteredPool:
    return engine.pool  # type: ignore[return-value]  # the only poolclass of our engines


@lru_cache(maxsize=1024)
def summarise(statement: str) -> tuple[str, str]:
    """Return the operation and the low-cardinality summary of a statement."""
    words = statement.split(None, 1)
    operation = words[0].upper() if words else ""
    target = _TARGET.search(statement)
    return operation, f"{operation} {target[1]}".strip() if target else operation


class Statements:
    """Times every statement of an engine, and traces it where the request is traced."""

    def __init__(self, tracer: Tracer, registry: CollectorRegistry | None, url: URL) -> None:
        self._tracer = tracer
        histogram = Histogram(
            "db_client_operation_duration_seconds",
            "Time of one statement, by operation.",
            ["db_operation_name"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._durations = {name: histogram.labels(name) for name in OPERATIONS}
        self._attributes: dict[str, Any] = {"db.system.name": url.get_backend_name()}
        if url.database:
            self._attributes["db.namespace"] = url.database
        if url.host:
            self._attributes |= {"server.address": url.host, "server.port": url.port or 5432}

    def listen(self, engine: Engine) -> None:
        """Observe `engine` from now on."""
        event.listen(engine, "before_cursor_execute", self._before)
        event.listen(engine, "after_cursor_execute", self._after)
        event.listen(engine, "handle_error", self._failed)

    def _before(self, _c: Any, _cur: Any, statement: str, _p: Any, context: Any, _m: Any) -> None:
        span = None
        if trace.get_current_span().is_recording():
            span = self._span(statement)
        context.chassis_started = (time.perf_counter(), span)

    def _span(self, statement: str) -> Span:
        operation, summary = summarise(statement)
        return self._tracer.start_span(
            summary,
            kind=SpanKind.CLIENT,
            attributes={
                **self._attributes,
                "db.operation.name": operation,
                "db.query.summary": summary,
                "db.query.text": statement[:MAX_TEXT],
            },
        )

    def _after(self, _c: Any, _cur: Any, statement: str, _p: Any, context: Any, _m: Any) -> None:
        self._end(context, statement)

    def _failed(self, failure: ExceptionContext) -> None:
        self._end(failure.execution_context, failure.statement or "", failure.original_exception)

    def _end(self, context: Any, statement: str, error: BaseException | None = None) -> None:
        started = getattr(context, "chassis_started", None)
        if started is None:  # it was never sent, or ended before what failed now
            return
        start, span = started
        context.chassis_started = None
        operation, _ = summarise(statement)
        duration = self._durations.get(operation) or self._durations["OTHER"]
        duration.observe(time.perf_counter() - start)
        if span is None:
            return
        if error is not None:
            kind = code(error)
            span.set_attribute("error.type", kind)
            span.set_status(Status(StatusCode.ERROR, kind))
        span.end()
