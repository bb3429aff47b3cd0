"""STUB rate limit."""

from typing import Any

from chassis_core.concern import Concern, ConcernSettings


class RateLimitSettings(ConcernSettings):
    """STUB."""


def rate_limit(settings: RateLimitSettings, **_: Any) -> Concern:
    """STUB."""
    return Concern(name="rate_limit")
