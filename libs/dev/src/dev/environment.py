"""The settings that make the services one platform on this machine."""

from collections.abc import Mapping

from chassis_core.contract import prefix_of

from dev.ports import SERVICES, port, setting
from dev.state import State


def environment(state: State, given: Mapping[str, str], collector: str) -> dict[str, str]:
    """Return `given` completed to what the services need; what is given wins."""
    users = f"http://127.0.0.1:{port(given, 'users')}"
    ours = {
        "USERS_KEYS__ENCRYPTION_KEY": state.secrets()["encryption_key"],
        "ORDERS_CLIENTS__USERS__URL": users,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_BSP_SCHEDULE_DELAY": "300",
        "PYTHONUNBUFFERED": "1",
    }
    for service in SERVICES:
        prefix = prefix_of(service)
        ours[f"{prefix}DATABASE__URL"] = f"sqlite+aiosqlite:///{state.database(service)}"
        ours[f"{prefix}AUTH__ISSUER"] = users
        if service != "users":
            ours[f"{prefix}AUTH__JWKS_URL"] = f"{users}/.well-known/jwks.json"
        for admin in (False, True):
            ours[setting(service, admin=admin)] = str(port(given, service, admin=admin))
    if given.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        ours.pop("OTEL_EXPORTER_OTLP_PROTOCOL")
    return {**ours, **given}
