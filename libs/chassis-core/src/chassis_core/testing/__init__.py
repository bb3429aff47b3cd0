"""The test kit: an app's client, its telemetry, tokens for it, and stores to run it on."""

from chassis_core.testing.client import running
from chassis_core.testing.telemetry import Telemetry

__all__ = ["Telemetry", "running"]
