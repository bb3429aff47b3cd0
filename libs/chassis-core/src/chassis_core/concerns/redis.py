"""STUB the shared Redis client."""

from typing import Any

from chassis_core.concern import Concern, ConcernSettings


class RedisSettings(ConcernSettings):
    """STUB."""


def redis(settings: RedisSettings, **_: Any) -> Concern:
    """STUB."""
    return Concern(name="redis")


class Redis:
    """STUB."""

    def __init__(self, settings: RedisSettings, **_: Any) -> None: ...
