"""STUB security headers."""

from typing import Any

from chassis_core.concern import Concern, ConcernSettings


class SecurityHeadersSettings(ConcernSettings):
    """STUB."""


def security_headers(settings: SecurityHeadersSettings, **_: Any) -> Concern:
    """STUB."""
    return Concern(name="security_headers")
