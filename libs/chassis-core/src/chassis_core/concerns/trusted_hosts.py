"""STUB trusted hosts."""

from typing import Any

from chassis_core.concern import Concern, ConcernSettings


class TrustedHostsSettings(ConcernSettings):
    """STUB."""


def trusted_hosts(settings: TrustedHostsSettings, **_: Any) -> Concern:
    """STUB."""
    return Concern(name="trusted_hosts")
