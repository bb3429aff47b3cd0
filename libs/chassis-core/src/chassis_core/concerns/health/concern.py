"""The concern that answers the probes."""

import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from prometheus_client import CollectorRegistry

from chassis_core.concern import Concern, Service
from chassis_core.concerns.health.probes import Health, HealthSettings
from chassis_core.concerns.health.readiness import Readiness
from chassis_core.redaction import redact_settings


def health(
    settings: HealthSettings,
    *,
    service: Service | None = None,
    settings_document: Mapping[str, Any] | None = None,
    registry: CollectorRegistry | None = None,
) -> Concern:
    """Return the concern that answers `/livez`, `/readyz`, `/startupz` and `/info`.

    Args:
        settings: the time limits.
        service: who answers.
        settings_document: the effective settings; what looks like a secret is redacted once more.
        registry: where the outcome of each check is shown.
    """
    readiness = Readiness(timeout=settings.timeout, ttl=settings.ttl, registry=registry)
    about = {
        "service": asdict(service) if service else {},
        "chassis_version": version("chassis-core"),
        "python_version": platform.python_version(),
        "settings": redact_settings(settings_document or {}),
    }
    probes = Health(readiness, about)
    return Concern(
        name="health",
        admin_routers=[probes.router()],
        lifespan=probes.lifespan,
        on_drain=readiness.drain,
    )
