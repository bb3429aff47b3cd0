"""Health: what an orchestrator asks before it restarts this service or sends it requests."""

from chassis_core.concerns.health.concern import health
from chassis_core.concerns.health.probes import HealthSettings
from chassis_core.concerns.health.readiness import Readiness, Report

__all__ = ["HealthSettings", "Readiness", "Report", "health"]
