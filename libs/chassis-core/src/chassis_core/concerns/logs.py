"""STUB logs."""

from typing import Any

from chassis_core.concern import Concern, ConcernSettings


class LogsSettings(ConcernSettings):
    """STUB."""


def logs(settings: LogsSettings, **_: Any) -> Concern:
    """STUB."""
    return Concern(name="logs")
