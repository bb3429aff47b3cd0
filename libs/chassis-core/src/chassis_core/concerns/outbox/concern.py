"""The dependency by which a route tells of events, and the concern that publishes them."""

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

import orjson
from fastapi import Depends, Request
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy import event as hooks
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from chassis_core.concern import Concern, Service
from chassis_core.concerns.outbox.event import traceparent
from chassis_core.concerns.outbox.relay import Database, Relay
from chassis_core.concerns.outbox.settings import OutboxSettings
from chassis_core.concerns.outbox.stream import Redis, Stream
from chassis_core.concerns.outbox.table import EVENTS
from chassis_core.ids import uuid7
from chassis_core.moments import now

_log = logging.getLogger(__name__)


class Outbox:
    """Stores events beside the change that they tell of.

    Args:
        settings: of the outbox.
        wake: called when events have been committed; None if nothing can be published, and so
            nothing is stored.
        registry: where the metrics go.
    """

    def __init__(
        self,
        settings: OutboxSettings,
        *,
        wake: Callable[[], None] | None,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._settings = settings
        self._wake = wake
        self._dropped = Counter(
            "outbox_dropped_events_total",
            "Events that were not stored, because there is no Redis to publish them to.",
            registry=registry,
        )

    async def add(self, session: AsyncSession, kind: str, *, subject: str, data: Any) -> None:
        """Store an event, to be published if `session` commits.

        Make the change first. It is written before the event, and whoever changes the same row
        waits for it: so the events of a subject have the order of its changes.

        Args:
            session: the unit of work of the change.
            kind: the event's type, such as `order.placed`.
            subject: the id of what was changed.
            data: what JSON can hold. Others will keep it: leave people's names out.

        Raises:
            ValueError: `data` is larger than an event may be.
        """
        body = orjson.dumps(data)
        if len(body) > self._settings.max_event:
            raise ValueError(f"{kind}: {len(body)} bytes of data, {self._settings.max_event} fit")
        if self._wake is None:
            self._dropped.inc()
            return
        event = {"id": uuid7(), "type": kind, "subject": subject, "time": now()}
        values = event | {"data": body.decode(), "traceparent": traceparent()}
        await session.execute(insert(EVENTS).values(values))
        hooks.listen(session.sync_session, "after_commit", self._committed)

    def _committed(self, _: object) -> None:
        if self._wake is not None:
            self._wake()


async def get_events(request: Request) -> Outbox:
    """Return the outbox of the app.

    Raises:
        LookupError: the service's settings do not say that it has one.
    """
    found: Outbox | None = getattr(request.state, "outbox", None)
    if found is None:
        raise LookupError("set outbox.enabled in the settings of a service that takes Events")
    return found


Events = Annotated[Outbox, Depends(get_events)]
"""The outbox, as a route's parameter: `await events.add(session, "order.placed", ...)`."""


def outbox(
    settings: OutboxSettings,
    *,
    service: Service,
    database: Database,
    store: Redis,
    registry: CollectorRegistry | None = None,
) -> Concern:
    """Return the concern that publishes a service's events to the stream `<service>:events`.

    Without Redis nobody could be told: events are counted and dropped, and the table stays empty.
    """
    if not settings.enabled:
        return Concern(name="outbox")
    if store.client is None:
        return Concern(name="outbox", lifespan=_dropping(settings, registry))
    stream = Stream(store, f"{service.name}:events", length=settings.stream_length)
    relay = Relay(
        settings, database=database, stream=stream, source=f"/{service.name}", registry=registry
    )
    events = Outbox(settings, wake=relay.worker.wake, registry=registry)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[Mapping[str, Any]]:
        async with relay.worker.running():
            yield {"outbox": events}

    return Concern(name="outbox", lifespan=lifespan)


def _dropping(settings: OutboxSettings, registry: CollectorRegistry | None) -> Any:
    events = Outbox(settings, wake=None, registry=registry)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[Mapping[str, Any]]:
        _log.info("outbox_off", extra={"reason": "no Redis is configured: events are dropped"})
        yield {"outbox": events}

    return lifespan
