"""The consuming side: each event has its effect once, however often it is delivered."""

import asyncio
import logging
import time
from collections.abc import Mapping

from opentelemetry.trace import NoOpTracer, Tracer
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession

from chassis_core.concerns.outbox import table
from chassis_core.concerns.outbox.event import Event
from chassis_core.concerns.outbox.handling import handling
from chassis_core.concerns.outbox.relay import Database
from chassis_core.concerns.outbox.settings import OutboxSettings
from chassis_core.concerns.outbox.stream import Entry, Redis, Stream
from chassis_core.concerns.outbox.subscription import Subscription
from chassis_core.concerns.outbox.worker import Worker

_log = logging.getLogger(__name__)
FORGET_EVERY = 60.0
"""Seconds, at least, between two removals of old notes by one process."""
FORGET_BATCH = 500
"""Notes removed at once, along with an event: some milliseconds of work."""


class Unhandled(Exception):
    """An event could not be handled this time; its text names the event."""


class Consumer:
    """Handles the events of a subscription, in order; of all replicas one does so at a time.

    An event that fails is tried again, and those after it wait. In the end it is moved to the
    stream `{<stream>}:dead:<group>`.

    Args:
        subscription: what it handles.
        settings: how often it tries.
        database: where the effects are.
        store: where the stream is.
        outcomes: counts events by stream, group and outcome.
        tracer: of its spans, which continue the trace of the event.
    """

    def __init__(
        self,
        subscription: Subscription,
        settings: OutboxSettings,
        *,
        database: Database,
        store: Redis,
        outcomes: Counter,
        tracer: Tracer | None = None,
    ) -> None:
        self._subscription = subscription
        self._group = subscription.group
        self._settings = settings
        self._database = database
        self._stream = Stream(store, subscription.stream, length=settings.stream_length)
        self._reader = f"{self._group}@{self._stream.name}"
        self._tracer = tracer or NoOpTracer()
        self._forget_at = 0.0
        self._outcomes = outcomes
        failures = self._count("failed")
        self.worker = Worker(self._reader, self._step, settings=settings, failures=failures)

    async def _step(self) -> float:
        await self._stream.check()
        async with self._database.session() as session:
            if not await table.is_mine(session, self._reader):
                return self._settings.poll
            if (entry := await self._stream.next(self._group)) is None:
                return self._settings.poll
            outcome = await self._take(entry, session)
        await self._stream.acknowledge(self._group, entry)
        self._count(outcome).inc()
        return 0

    async def _take(self, entry: Entry, session: AsyncSession) -> str:
        if entry.fields is None:
            return "trimmed"
        if entry.deliveries > self._settings.attempts:
            await self._bury(entry, entry.fields)
            return "dead"
        try:
            return await self._handle(Event.of(entry.fields), session)
        except Exception as error:
            what = f"{_name(entry.fields)} failed: {type(error).__name__}"
            raise Unhandled(what) from error

    async def _handle(self, event: Event, session: AsyncSession) -> str:
        dialect, key = session.get_bind().dialect.name, f"{event.source} {event.id}"
        noted = table.note(dialect, self._reader, key, now=int(time.time()))
        if (await session.execute(noted)).first() is None:
            return "repeated"
        limit = self._settings.handler_timeout
        async with asyncio.timeout(limit):
            with handling(event, self._subscription, self._tracer, limit=limit):
                await self._subscription.handle(event, session)
        await self._forget(session)
        return "handled"

    def _count(self, outcome: str) -> Counter:
        return self._outcomes.labels(self._stream.name, self._group, outcome)

    async def _bury(self, entry: Entry, fields: Mapping[str, bytes]) -> None:
        await self._stream.bury(self._group, entry)
        where = {"stream": self._stream.name, "group": self._group, "entry": entry.id}
        _log.error("event_dead", extra=where | {"event_name": _name(fields)})

    async def _forget(self, session: AsyncSession) -> None:
        if time.monotonic() < self._forget_at:
            return
        self._forget_at = time.monotonic() + FORGET_EVERY
        before = int(time.time()) - self._settings.remembered_for
        await session.execute(table.forget(before=before, limit=FORGET_BATCH))


def _name(fields: Mapping[str, bytes]) -> str:
    return b" ".join(fields.get(key, b"?") for key in ("type", "subject", "id")).decode(
        errors="replace"
    )
