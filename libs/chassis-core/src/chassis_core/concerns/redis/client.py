"""The client: bounded in time, left alone while it fails, observed."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from functools import cache
from typing import Any

from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry, Gauge
from redis.exceptions import NoScriptError, RedisError, ResponseError

from chassis_core.concerns.redis.driver import connect
from chassis_core.concerns.redis.errors import RedisBusy, RedisDown, RedisFailed, RedisRefused
from chassis_core.concerns.redis.patience import Within
from chassis_core.concerns.redis.settings import RedisSettings
from chassis_core.concerns.redis.telemetry import Commands

log = logging.getLogger(__name__)


class Redis:
    """A Redis client that answers within its timeout or raises `RedisFailed`, never later.

    Once it is down every command raises at once until a probe in the background succeeds. Its
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
        self.client = connect(settings)
        self._free = asyncio.Semaphore(settings.max_connections)
        self._failed_at: float | None = None
        self._outage = False
        self._probe: asyncio.Task[None] | None = None
        self._outside = Context()
        self._commands = Commands(registry, tracer)
        self._breaker_open = Gauge(
            "redis_breaker_open", "1 while a failed Redis is left alone.", registry=registry
        )

    @property
    def down(self) -> bool:
        """True while Redis is left alone after a failure."""
        return self._failed_at is not None

    async def execute(self, *command: Any) -> Any:
        """Run one command and return its raw answer.

        Raises:
            RedisFailed: there is no answer within the timeout, or Redis refused the command.
        """
        if self._failed_at is not None:
            self._probe_when_due()
            raise RedisDown("Redis is left alone after a failure")
        try:
            return await self._timed(self._settings.timeout, *command)
        except RedisDown as error:
            self._trip(error)
            raise

    async def evaluate(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run a Lua script by its SHA-1, sending the text only when Redis lacks it."""
        tail = (len(keys), *keys, *arguments)
        try:
            return await self.execute("EVALSHA", _sha1(script), *tail)
        except RedisRefused as error:
            if not isinstance(error.__cause__, NoScriptError):
                raise
        return await self.execute("EVAL", script, *tail)

    async def ping(self) -> None:
        """Raise `RedisFailed` if Redis does not answer, or refuses."""
        await self.execute("PING")

    async def open(self) -> None:
        """Connect ahead of the first request; a Redis that is away does not stop the start."""
        self._free = asyncio.Semaphore(self._settings.max_connections)
        self._outside = copy_context()
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
        name, queued = str(command[0]), self._free.locked()
        with self._commands.observe(name):
            try:
                async with Within(timeout), self._free:
                    return await run(*command)
            except TimeoutError as error:
                kind = RedisBusy if queued else RedisDown
                raise kind(f"no answer to {name} within {timeout} s") from error
            except ResponseError as error:
                raise RedisRefused(f"{name} was refused: {type(error).__name__}") from error
            except (RedisError, OSError) as error:
                raise RedisDown(f"{name} failed: {type(error).__name__}") from error

    def _trip(self, error: RedisFailed) -> None:
        if not self._outage:
            log.warning("redis_down", extra={"reason": str(error)})
        self._outage, self._failed_at = True, time.monotonic()
        self._breaker_open.set(1)

    def _probe_when_due(self) -> None:
        due = (self._failed_at or 0) + self._settings.recheck
        if time.monotonic() >= due and (self._probe is None or self._probe.done()):
            # Of no request: its line in the log may come when that has long been answered.
            probe, outside = self._probe_once(), self._outside.copy()
            self._probe = asyncio.create_task(probe, context=outside)

    async def _probe_once(self) -> None:
        try:
            await self._timed(self._settings.recheck, "PING")
            # The first may have had to connect. What serves requests is as fast as they ask for.
            await self._timed(self._settings.timeout, "PING")
        except RedisBusy:
            return
        except RedisFailed as error:
            self._trip(error)
            return
        if self._outage:
            log.info("redis_up")
        self._outage, self._failed_at = False, None
        self._breaker_open.set(0)


@cache
def _sha1(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
