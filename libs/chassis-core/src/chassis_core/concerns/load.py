"""STUB drain and load shedding."""

from typing import Any

from chassis_core.concern import Concern, ConcernSettings


class LoadSettings(ConcernSettings):
    """STUB."""


def load(settings: LoadSettings, **_: Any) -> Concern:
    """STUB."""
    return Concern(name="load")
