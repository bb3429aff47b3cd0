"""STUB health."""

from typing import Any

from chassis_core.concern import Concern, ConcernSettings


class HealthSettings(ConcernSettings):
    """STUB."""


def health(settings: HealthSettings, **_: Any) -> Concern:
    """STUB."""
    return Concern(name="health")
