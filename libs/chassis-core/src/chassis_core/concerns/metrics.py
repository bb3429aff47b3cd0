"""STUB metrics."""

from typing import Any

from chassis_core.concern import Concern, ConcernSettings


class MetricsSettings(ConcernSettings):
    """STUB."""


def metrics(settings: MetricsSettings, **_: Any) -> Concern:
    """STUB."""
    return Concern(name="metrics")
