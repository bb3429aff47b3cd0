"""How events wait, how they travel, and how often one is tried."""

from pydantic import Field

from chassis_core.concern import ConcernSettings


class OutboxSettings(ConcernSettings):
    """How events wait, how they travel, and how often one is tried."""

    enabled: bool = False
    """Whether the service has the table of events, and so something to publish. A service that
    takes `Events` says yes in its own settings, beside the migration that makes the table."""
    poll: float = Field(0.5, gt=0)
    """Seconds between two looks for what nobody woke us for: what a replica left that is gone, and
    what other services have published. It is the delay of a consumer, at most."""
    batch: int = Field(100, ge=1, le=1000)
    """Events published at once, in one transaction and one command: some milliseconds of either."""
    max_event: int = Field(16_384, ge=1)
    """Bytes of an event's data; more is refused where it is added. A whole batch of such events
    fits into the timeout of Redis. Larger things are told of by their id."""
    stream_length: int = Field(50_000, ge=1)
    """Events that the stream keeps, about: at 10 a second, what consumers miss in an hour and a
    half. An order's event takes 490 bytes, so this is 25 MB of Redis."""
    longest_pause: float = Field(5.0, gt=0)
    """Seconds, at most, between two tries while they fail; the first pause is a tenth of one. So
    events flow again that soon after an outage."""
    stop_timeout: float = Field(2.0, gt=0)
    """Seconds in which what has just been committed may still leave when the process stops; what is
    left is published by the next."""

    attempts: int = Field(10, ge=1)
    """Times that a consumer tries an event before it is put aside as dead. The pauses between them
    add up to 21 s, in which a dependency restarts; all later events wait meanwhile."""
    handler_timeout: float = Field(10.0, gt=0)
    """Seconds that handling one event may take: below what the database lets a transaction idle."""
    remembered_for: int = Field(604_800, ge=1)
    """Seconds for which a consumer knows an event again: a week, longer than a relay can be away
    between publishing an event and noting that it did."""
