"""STUB compression."""

from typing import Any

from chassis_core.concern import Concern, ConcernSettings


class CompressionSettings(ConcernSettings):
    """STUB."""


def compression(settings: CompressionSettings, **_: Any) -> Concern:
    """STUB."""
    return Concern(name="compression")
