"""The relay: carries committed events from the table to the stream, in order."""

import time
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge
from sqlalchemy.ext.asyncio import AsyncSession

from chassis_core.concerns.outbox import table
from chassis_core.concerns.outbox.event import attributes
from chassis_core.concerns.outbox.settings import OutboxSettings
from chassis_core.concerns.outbox.stream import Stream
from chassis_core.concerns.outbox.worker import Worker

BUSY = 0.1
"""Seconds after which it looks again for events that another replica was about to publish."""


class Database(Protocol):
    """What both sides need of the database."""

    def session(self, *, read_only: bool = False) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a unit of work."""


class Relay:
    """Publishes what is in the table. Of all replicas of a service one does so at a time.

    A batch is removed, published, and the removal committed. Killed between the last two, it is
    published again: at least once, and the events of a subject in their order.

    Args:
        settings: of the outbox.
        database: where the table is.
        stream: where the events go.
        source: the service, as its events name it.
        registry: where the metrics go.
    """

    def __init__(
        self,
        settings: OutboxSettings,
        *,
        database: Database,
        stream: Stream,
        source: str,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._settings = settings
        self._database = database
        self._stream = stream
        self._source = source
        self._oldest: float | None = None
        self._published = Counter(
            "outbox_published_events_total", "Events published.", registry=registry
        )
        self._pending = Gauge(
            "outbox_pending_events",
            f"Events that wait to be published, counted up to {table.MOST_COUNTED}.",
            registry=registry,
        )
        self._length = Gauge(
            "outbox_stream_events", "Events in the stream after the last batch.", registry=registry
        )
        age = Gauge(
            "outbox_oldest_event_seconds", "Age of the event that waits longest.", registry=registry
        )
        age.set_function(self._age)
        failures = Counter(
            "outbox_relay_failures_total", "Batches that could not be published.", registry=registry
        )
        self.worker = Worker("relay", self._step, settings=settings, failures=failures)

    async def _step(self) -> float:
        if not await self._look():
            return self._settings.poll
        await self._stream.check()
        async with self._database.session() as session:
            if not await table.is_mine(session, "relay"):
                return min(BUSY, self._settings.poll)
            # One alone passes where a batch is too large for a slow network.
            limit = 1 if self.worker.failing else self._settings.batch
            rows = (await session.execute(table.take(limit))).all()
            events = sorted(rows, key=lambda row: row.sequence)
            length = await self._stream.publish(attributes(e, self._source) for e in events)
        self._length.set(length)
        self._published.inc(len(events))
        return 0

    async def _look(self) -> int:
        async with self._database.session(read_only=True) as session:
            count, since = (await session.execute(table.waiting())).one()
        self._pending.set(count)
        self._oldest = since.timestamp() if since else None
        return int(count)

    def _age(self) -> float:
        return 0.0 if self._oldest is None else max(0.0, time.time() - self._oldest)
