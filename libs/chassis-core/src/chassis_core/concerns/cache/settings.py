"""How much a cache keeps, and for how long."""

from pydantic import Field

from chassis_core.concern import ConcernSettings


class CacheSettings(ConcernSettings):
    """What the cache may hold, and what it does around the end of a value's life."""

    default_ttl: float = Field(60.0, gt=0, le=86_400)
    """Seconds a value is fresh when its reader does not say: no more than a minute behind."""
    jitter: float = Field(0.1, ge=0, lt=1)
    """Share of the time by which a value may end early, so that many do not end together."""
    stale: float = Field(30.0, ge=0, le=86_400)
    """Seconds after its time that a value is still given out while one caller loads it anew, so
    that nobody waits for that."""
    negative_ttl: float = Field(5.0, gt=0, le=86_400)
    """Seconds that None, the answer "there is none", is kept: short, for it may come to be."""
    lease: float = Field(1.0, gt=0)
    """Seconds without a word from the one who loads after which another begins: a process says
    three times in it that it still does, so only one that is gone, or stuck, is waited for."""
    max_entries: int = Field(10_000, ge=1)
    """Values that a process without Redis keeps; the least recently used goes first."""
    max_bytes: int = Field(33_554_432, ge=1024)
    """Bytes of all values that a process without Redis keeps: a tenth of a small container."""
    max_value: int = Field(1_048_576, ge=1)
    """Bytes of one value; a longer one is given out and not kept, so that one value does not push
    out many."""
