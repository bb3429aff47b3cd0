"""STUB deadline."""

from typing import Any

from chassis_core.concern import Concern, ConcernSettings


class DeadlineSettings(ConcernSettings):
    """STUB."""


def deadline(settings: DeadlineSettings, **_: Any) -> Concern:
    """STUB."""
    return Concern(name="deadline")
