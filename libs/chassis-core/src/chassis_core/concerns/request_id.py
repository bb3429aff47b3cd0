"""STUB request id."""

from typing import Any

from chassis_core.concern import Concern


def request_id(**_: Any) -> Concern:
    """STUB."""
    return Concern(name="request_id")
