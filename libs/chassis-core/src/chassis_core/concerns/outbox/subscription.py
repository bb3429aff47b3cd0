"""What a service says to consume events."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from chassis_core.concerns.outbox.event import Event


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who wants to know of which events.

    Attributes:
        stream: such as `orders:events`.
        group: the reader's name. All its replicas together see each event.
        handle: gives the event its effect, in the unit of work that also notes the event.
    """

    stream: str
    group: str
    handle: Callable[[Event, AsyncSession], Awaitable[None]]
