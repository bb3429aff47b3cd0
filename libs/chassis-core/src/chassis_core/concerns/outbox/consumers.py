"""The concern that handles the events of other services."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry, Counter

from chassis_core.concern import Concern
from chassis_core.concerns.outbox.consumer import Consumer
from chassis_core.concerns.outbox.relay import Database
from chassis_core.concerns.outbox.settings import OutboxSettings
from chassis_core.concerns.outbox.stream import Redis
from chassis_core.concerns.outbox.subscription import Subscription


def consumers(
    settings: OutboxSettings,
    *subscriptions: Subscription,
    database: Database,
    store: Redis,
    registry: CollectorRegistry | None = None,
    tracer: Tracer | None = None,
) -> Concern:
    """Return the concern that handles the events of `subscriptions`; without Redis, none come.

    `share` makes what it needs: `consumers(..., database=shared["database"], ...)`. The service's
    migrations make the table that `inbox_events` describes.
    """
    outcomes = Counter(
        "outbox_consumed_events_total",
        "Events of others: handled, repeated, failed, dead, or trimmed before they were handled.",
        ["stream", "group", "outcome"],
        registry=registry,
    )
    made = [
        Consumer(each, settings, database=database, store=store, outcomes=outcomes, tracer=tracer)
        for each in subscriptions
    ]

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[Mapping[str, Any]]:
        async with AsyncExitStack() as stack:
            for consumer in made if store.client is not None else ():
                await stack.enter_async_context(consumer.worker.running())
            yield {}

    return Concern(name="consumers", lifespan=lifespan)
