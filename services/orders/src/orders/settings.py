"""The settings of orders: the standard ones, and where users is."""

from typing import Any

from chassis_core import ClientSettings, InvalidSettings, ServiceSettings
from chassis_core.concerns.auth import AuthSettings
from chassis_core.concerns.body_limit import BodyLimitSettings
from chassis_core.concerns.database import DatabaseSettings
from chassis_core.concerns.outbox import OutboxSettings
from chassis_core.settings import ServerSettings
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

USERS = "http://127.0.0.1:8001"
"""Where users is on a developer's machine, and so what its tokens name as their issuer."""


class Settings(ServiceSettings):
    """Settings of orders, from variables that start with ORDERS_."""

    model_config = SettingsConfigDict(env_prefix="ORDERS_")

    name: str = "orders"
    server: ServerSettings = ServerSettings(port=8002, admin_port=9002)
    # A hundred items, the most that an order has, are a third of it.
    body_limit: BodyLimitSettings = BodyLimitSettings(max_bytes=65_536)
    database: DatabaseSettings = DatabaseSettings(
        url=SecretStr("sqlite+aiosqlite:///.chassis/orders.db")
    )
    auth: AuthSettings = AuthSettings(
        mode="jwks",
        issuer=USERS,
        audience="chassis",
        jwks_url=f"{USERS}/.well-known/jwks.json",
    )
    outbox: OutboxSettings = OutboxSettings(enabled=True)
    clients: dict[str, ClientSettings] = Field({}, validate_default=True)
    profile_ttl: float = Field(10.0, ge=0, le=60)
    """Seconds for which a customer's name is kept; 0 to ask users for each order. Nobody waits
    longer than this to be refused once users no longer knows them, and their token ends later."""

    @field_validator("clients", mode="before")
    @classmethod
    def _users_is_known(cls, clients: dict[str, Any]) -> dict[str, Any]:
        users = clients.get("users", {})
        return clients | {"users": {"url": USERS} | users if isinstance(users, dict) else users}

    def model_post_init(self, _: Any) -> None:
        """Refuse, in production, what is only good enough on a developer's machine."""
        if self.environment == "production" and (left := self._development_defaults()):
            raise InvalidSettings(f"production needs a value of its own for {', '.join(left)}")

    def _development_defaults(self) -> list[str]:
        defaults = {
            "ORDERS_PAGINATION__SECRET": self.pagination.secret is None,
            "ORDERS_AUTH__ISSUER": self.auth.issuer == USERS,
            "ORDERS_CLIENTS__USERS__URL": self.clients["users"].url == USERS,
        }
        return [name for name, is_default in defaults.items() if is_default]
