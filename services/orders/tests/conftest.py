"""The orders service under test: migrated, with users that can fail, and customers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from chassis_core import App, create_app
from chassis_core.concerns.clients import ClientSettings
from chassis_core.concerns.database import Database, DatabaseSettings
from chassis_core.concerns.idempotency import IdempotencySettings
from chassis_core.migrations import migrations_of, upgrade
from chassis_core.testing import Telemetry, running
from chassis_core.testing.issuer import Issuer
from orders.api import router
from orders.settings import Settings
from pydantic import SecretStr

MIGRATIONS = migrations_of(Settings)
CART = {
    "items": [
        {"sku": "tea-100g", "quantity": 2, "unit_price_minor": 450},
        {"sku": "pot", "quantity": 1, "unit_price_minor": 1999},
    ],
    "currency": "EUR",
}


@dataclass
class Users(httpx2.AsyncBaseTransport):
    """Plays users: answers with a profile, or does what the test says instead."""

    status: int = 200
    body: Any = field(default_factory=lambda: {"id": "u1", "name": "Ann", "email": "a@b.example"})
    failure: Exception | None = None
    delay: float = 0.0
    requests: list[httpx2.Request] = field(default_factory=list)
    held: asyncio.Event | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        if self.held is not None:
            await self.held.wait()
        await asyncio.sleep(self.delay)
        if self.failure is not None:
            raise self.failure
        if isinstance(self.body, bytes):
            return httpx2.Response(self.status, content=self.body)
        return httpx2.Response(self.status, json=self.body)


@dataclass
class Customer:
    """What a customer does with the API, in one line each."""

    http: httpx2.AsyncClient
    token: str
    count: int = 0

    async def send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        headers = {"authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        return await self.http.request(method, path, headers=headers, **options)

    async def place(self, body: Any = None, *, key: str | None = None) -> httpx2.Response:
        self.count += 1
        headers = {"idempotency-key": key or f"key-{self.count}"}
        if isinstance(body, bytes):
            headers["content-type"] = "application/json"
            return await self.send("POST", "/v1/orders", content=body, headers=headers)
        return await self.send(
            "POST", "/v1/orders", json=CART if body is None else body, headers=headers
        )

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self.send("GET", path, headers=headers)

    async def orders(self, query: str = "") -> dict[str, Any]:
        answer = await self.get(f"/v1/orders{query}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def cancel(self, order_id: str, if_match: str | None) -> httpx2.Response:
        headers = {} if if_match is None else {"if-match": if_match}
        return await self.send("POST", f"/v1/orders/{order_id}/cancel", headers=headers)


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """Signs the customers' tokens."""
    return Issuer(audience="chassis")


@pytest.fixture
async def settings(database_url: str, issuer: Issuer) -> Settings:
    """Settings of a migrated database, and of a users service that is soon given up."""
    settings = Settings(
        database=DatabaseSettings(url=SecretStr(database_url), lock_timeout=10, pool_timeout=10),
        auth=issuer.settings(),
        clients={"users": ClientSettings(url="http://users.test", attempts=1)},
        idempotency=IdempotencySettings(purge_interval=0),
    )
    await upgrade(settings.database, MIGRATIONS)
    return settings


@pytest.fixture
def users() -> Users:
    """The users service as orders sees it."""
    return Users()


@pytest.fixture
def app(settings: Settings, users: Users, telemetry: Telemetry) -> App:
    """The app, with its telemetry captured."""
    return create_app(settings, routers=[router], transport=users, **telemetry.shared())


@pytest.fixture
async def http(app: App) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the running service."""
    async with running(app) as http:
        yield http


@pytest.fixture
def customer(http: httpx2.AsyncClient, issuer: Issuer) -> Callable[..., Customer]:
    """Make a customer by name, of this instance of the service or of another."""

    def make(name: str, http: httpx2.AsyncClient = http) -> Customer:
        return Customer(http, issuer.token(name))

    return make


@pytest.fixture
def ann(customer: Callable[..., Customer]) -> Customer:
    """A customer."""
    return customer("ann")


@pytest.fixture
def bob(customer: Callable[..., Customer]) -> Customer:
    """Another customer."""
    return customer("bob")


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """The same database as the app's, seen past it."""
    database = Database(settings.database)
    await database.open()
    yield database
    await database.close()
