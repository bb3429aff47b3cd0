"""STUB errors."""

from typing import Any

from chassis_core.concern import Concern


def errors(**_: Any) -> Concern:
    """STUB."""
    return Concern(name="errors")
