"""The test kit: an app's client and telemetry, tokens for it, its stores, and faults of both."""

from chassis_core.testing.client import running
from chassis_core.testing.proxy import Proxy
from chassis_core.testing.telemetry import Telemetry
from chassis_core.testing.waiting import eventually

__all__ = ["Proxy", "Telemetry", "eventually", "running"]
