"""STUB cache."""

from typing import Any

from chassis_core.concern import Concern, ConcernSettings


class CacheSettings(ConcernSettings):
    """STUB."""


def cache(settings: CacheSettings, **_: Any) -> Concern:
    """STUB."""
    return Concern(name="cache")
