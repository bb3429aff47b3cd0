"""The client: bounded in time, left alone while it fails, observed."""

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode, Tracer
from prometheus_client import CollectorRegistry, Gauge, Histogram
from redis.asyncio import BlockingConnectionPool
from redis.asyncio import Redis as Client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.maint_notifications import MaintNotificationsConfig

from chassis_core.concerns.redis.settings import RedisSettings

log = logging.getLogger(__name__)


class RedisDown(ConnectionError):
    """Redis did not answer, refused, or is being left alone after it failed."""


class RedisRefused(RedisDown):
    """Redis is there and answered with an error."""


class Redis:
    """A Redis client that answers within its timeout or raises `RedisDown`, never later.

    After a failure every command raises at once until a probe in the background succeeds. Its
    `client` is None without a URL. A cancelled or late command drops its connection, so that no
    answer is ever read by another command.
    """

    def __init__(
        self,
        settings: RedisSettings,
        *,
        registry: CollectorRegistry | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self._settings = settings
        self._tracer = tracer or trace.NoOpTracer()
        self.client = _client(settings)
        self._failed_at: float | None = None
        self._outage = False
        self._probe: asyncio.Task[None] | None = None
        self._duration = Histogram(
            "redis_command_duration_seconds",
            "Time of a Redis command as its caller waited for it.",
            ["command", "outcome"],
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
            registry=registry,
        )
        self._breaker = Gauge(
            "redis_breaker_open", "1 while a failed Redis is left alone.", registry=registry
        )

    @property
    def down(self) -> bool:
        """True while Redis is left alone after a failure."""
        return self._failed_at is not None

    async def execute(self, *command: Any) -> Any:
        """Run one command and return its raw answer.

        Raises:
            RedisDown: there is no answer within the timeout, or Redis refused the command.
        """
        if self._failed_at is not None:
            self._probe_when_due()
            raise RedisDown("Redis is left alone after a failure")
        try:
            return await self._timed(self._settings.timeout, *command)
        except RedisRefused:
            raise
        except RedisDown as error:
            self._open(error)
            raise

    async def evaluate(
        self, script: str, digest: str, keys: Sequence[str], arguments: Sequence[Any]
    ) -> Any:
        """Run a Lua script by its SHA-1 `digest`, sending the text only when Redis lacks it."""
        tail = (len(keys), *keys, *arguments)
        try:
            return await self.execute("EVALSHA", digest, *tail)
        except RedisRefused as error:
            if not isinstance(error.__cause__, NoScriptError):
                raise
        return await self.execute("EVAL", script, *tail)

    async def ping(self) -> None:
        """Raise `RedisDown` if Redis does not answer."""
        await self.execute("PING")

    async def open(self) -> None:
        """Connect ahead of the first request; a Redis that is away does not stop the start."""
        if self.client is not None:
            self._failed_at = time.monotonic()
            await self._probe_once()

    async def aclose(self) -> None:
        """Close every connection."""
        if self._probe is not None:
            self._probe.cancel()
            with suppress(asyncio.CancelledError):
                await self._probe
        if self.client is not None:
            await self.client.aclose()

    async def _timed(self, timeout: float, *command: Any) -> Any:
        if self.client is None:
            raise RedisDown("no Redis is configured")
        run: Any = self.client.execute_command
        name, outcome, start = str(command[0]), "ok", time.perf_counter()
        try:
            with self._span(name):
                async with asyncio.timeout(timeout):
                    return await run(*command)
        except TimeoutError as error:
            outcome = "timeout"
            raise RedisDown(f"no answer to {name} within {timeout} s") from error
        except ResponseError as error:
            outcome = "refused"
            raise RedisRefused(f"{name} was refused: {type(error).__name__}") from error
        except (RedisError, OSError) as error:
            outcome = "error"
            raise RedisDown(f"{name} failed: {type(error).__name__}") from error
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            self._duration.labels(name, outcome).observe(time.perf_counter() - start)

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

    def _open(self, error: RedisDown) -> None:
        if not self._outage:
            log.warning("redis_down", extra={"reason": str(error)})
        self._outage, self._failed_at = True, time.monotonic()
        self._breaker.set(1)

    def _probe_when_due(self) -> None:
        due = (self._failed_at or 0) + self._settings.recheck
        if time.monotonic() >= due and (self._probe is None or self._probe.done()):
            self._probe = asyncio.create_task(self._probe_once())

    async def _probe_once(self) -> None:
        try:
            await self._timed(self._settings.recheck, "PING")
        except RedisDown as error:
            self._open(error)
            return
        if self._outage:
            log.info("redis_up")
        self._outage, self._failed_at = False, None
        self._breaker.set(0)


def _client(settings: RedisSettings) -> Client | None:
    if settings.url is None:
        return None
    pool = BlockingConnectionPool.from_url(
        settings.url.get_secret_value(),
        max_connections=settings.max_connections,
        # One asyncio.timeout bounds the whole command; the driver's own would start per step.
        timeout=None,
        socket_timeout=None,
        socket_connect_timeout=None,
        retry=Retry(NoBackoff(), 0),
        driver_info=None,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    return Client.from_pool(pool)
