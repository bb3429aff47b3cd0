"""STUB service clients."""

from typing import Any

from chassis_core.concern import Concern, ConcernSettings


class ClientSettings(ConcernSettings):
    """STUB."""


def clients(settings: dict[str, ClientSettings], **_: Any) -> Concern:
    """STUB."""
    return Concern(name="clients")
