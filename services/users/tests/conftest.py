"""The users service under test: migrated, with cheap passwords, and someone to talk to it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest
from chassis_core.concerns.database import Database, DatabaseSettings
from chassis_core.migrations import migrations_of, upgrade
from chassis_core.testing import Telemetry, running
from pydantic import SecretStr
from users.main import app
from users.settings import KeySettings, PasswordSettings, Settings

MIGRATIONS = migrations_of(Settings)
PASSWORD = "correct horse battery"


@dataclass
class Api:
    """What people and services do with the API, in one line each."""

    http: httpx2.AsyncClient
    password: str = PASSWORD
    service: tuple[str, str] = ("orders", "orders-development-secret")

    async def register(self, email: str = "ann@example.org", **changes) -> httpx2.Response:
        body = {"email": email, "password": self.password, "name": "Ann", **changes}
        return await self.http.post("/v1/users", json=body)

    async def token(self, grant_type: str, **form) -> httpx2.Response:
        auth = form.pop("auth", None)
        return await self.http.post(
            "/oauth2/token", data={"grant_type": grant_type, **form}, auth=auth
        )

    async def login(self, email: str = "ann@example.org", **form) -> httpx2.Response:
        return await self.token(
            "password", **{"username": email, "password": self.password, **form}
        )

    async def refresh(self, token: str, **form) -> httpx2.Response:
        return await self.token("refresh_token", refresh_token=token, **form)

    async def service_token(self) -> str:
        answer = await self.token("client_credentials", auth=self.service)
        return answer.json()["access_token"]

    async def get(self, path: str, token: str = "") -> httpx2.Response:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return await self.http.get(path, headers=headers)

    async def keys(self) -> dict[str, dict]:
        answer = await self.http.get("/.well-known/jwks.json")
        return {key["kid"]: key for key in answer.json()["keys"]}


@pytest.fixture
async def settings(database_url: str) -> Settings:
    """Settings of a migrated database; a password costs next to nothing."""
    settings = Settings(
        database=DatabaseSettings(url=SecretStr(database_url), lock_timeout=10),
        passwords=PasswordSettings(memory=64, passes=1, parallelism=1),
        keys=KeySettings(poll_interval=0.05),
    )
    await upgrade(settings.database, MIGRATIONS)
    return settings


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """The same database as the app's, seen past it."""
    database = Database(settings.database)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def api(settings: Settings, telemetry: Telemetry) -> AsyncIterator[Api]:
    """The running service."""
    async with running(app(settings, **telemetry.shared())) as http:
        yield Api(http)


@pytest.fixture
def api_of() -> type[Api]:
    """For tests that run several processes on one database."""
    return Api
