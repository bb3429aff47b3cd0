"""STUB body limit."""

from typing import Any

from chassis_core.concern import Concern, ConcernSettings


class BodyLimitSettings(ConcernSettings):
    """STUB."""


def body_limit(settings: BodyLimitSettings, **_: Any) -> Concern:
    """STUB."""
    return Concern(name="body_limit")
