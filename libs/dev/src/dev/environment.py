"""The settings that make two services one platform on this machine."""

from collections.abc import Mapping

from dev.ports import SERVICES, port, setting
from dev.state import State


def environment(state: State, given: Mapping[str, str], collector: str) -> dict[str, str]:
    """Return `given` completed to what both services need; what is given wins."""
    users = f"http://127.0.0.1:{port(given, 'users')}"
    ours = {
        "USERS_DATABASE__URL": f"sqlite+aiosqlite:///{state.database('users')}",
        "USERS_AUTH__ISSUER": users,
        "USERS_KEYS__ENCRYPTION_KEY": state.secrets()["encryption_key"],
        "ORDERS_DATABASE__URL": f"sqlite+aiosqlite:///{state.database('orders')}",
        "ORDERS_AUTH__ISSUER": users,
        "ORDERS_AUTH__JWKS_URL": f"{users}/.well-known/jwks.json",
        "ORDERS_CLIENTS__USERS__URL": users,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_BSP_SCHEDULE_DELAY": "300",
        "PYTHONUNBUFFERED": "1",
    }
    for service in SERVICES:
        for admin in (False, True):
            ours[setting(service, admin=admin)] = str(port(given, service, admin=admin))
    if given.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        ours.pop("OTEL_EXPORTER_OTLP_PROTOCOL")
    return {**ours, **given}
