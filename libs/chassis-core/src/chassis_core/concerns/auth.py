"""STUB auth."""

from typing import Any

from chassis_core.concern import Concern, ConcernSettings


class AuthSettings(ConcernSettings):
    """STUB."""


def auth(settings: AuthSettings, **_: Any) -> Concern:
    """STUB."""
    return Concern(name="auth")


class KeySource:
    """STUB."""
