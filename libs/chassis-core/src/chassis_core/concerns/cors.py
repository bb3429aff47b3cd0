"""STUB CORS."""

from typing import Any

from chassis_core.concern import Concern, ConcernSettings


class CorsSettings(ConcernSettings):
    """STUB."""


def cors(settings: CorsSettings, **_: Any) -> Concern:
    """STUB."""
    return Concern(name="cors")
