"""Events that are published if, and only if, the change that they tell of is committed."""

from chassis_core.concerns.outbox.concern import Events, Outbox, outbox
from chassis_core.concerns.outbox.consumer import Consumer, Unhandled
from chassis_core.concerns.outbox.consumers import consumers
from chassis_core.concerns.outbox.event import Event
from chassis_core.concerns.outbox.relay import Relay
from chassis_core.concerns.outbox.settings import OutboxSettings
from chassis_core.concerns.outbox.stream import Stream
from chassis_core.concerns.outbox.subscription import Subscription
from chassis_core.concerns.outbox.table import inbox_events, outbox_events

__all__ = [
    "Consumer",
    "Event",
    "Events",
    "Outbox",
    "OutboxSettings",
    "Relay",
    "Stream",
    "Subscription",
    "Unhandled",
    "consumers",
    "inbox_events",
    "outbox",
    "outbox_events",
]
