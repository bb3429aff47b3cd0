"""Both services, running as a Prometheus sees them, and what the rules and dashboards ask."""

import json
import shutil
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from anyio.from_thread import start_blocking_portal
from chassis_core import Cache, create_app
from chassis_core.concerns.clients import ClientSettings
from chassis_core.concerns.database import DatabaseSettings
from chassis_core.concerns.load import LoadSettings
from chassis_core.concerns.redis import RedisSettings
from chassis_core.migrations import migrations_of, upgrade
from chassis_core.testing import Telemetry
from chassis_core.testing.listener import listening
from dev.visitor import Visitor, client_from
from dev.waiting import until
from fastapi import APIRouter
from orders.api import router
from orders.settings import Settings as OrdersSettings
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from users.main import app as users_app
from users.settings import PasswordSettings
from users.settings import Settings as UsersSettings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/observability"
NOBODY = "127.0.0.1:1"
PATIENT = LoadSettings(max_slowdown=1000)
"""The machine may be busy with other tests: nothing is shed for it."""

cached = APIRouter()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Run these tests one by one: they share two running services."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.alone)


@cached.get("/v1/cached")
async def _read(cache: Cache) -> int:
    async def load() -> int:
        return 1

    return await cache.get_or_set("one", 60, int, load, namespace="numbers")


@dataclass
class Fleet:
    """users and orders; neither the Redis of orders nor the collector of either is there."""

    urls: dict[str, str]
    registries: dict[str, CollectorRegistry]

    def is_ready(self):
        """Tell whether both take requests: orders has the keys of users."""
        with client_from(None) as http:
            return all(http.get(f"{url}/readyz").status_code == 200 for url in self.urls.values())

    def scrape(self, service, *, accept="text/plain"):
        """Return what the service answers to a scrape."""
        with client_from(None) as http:
            return http.get(f"{self.urls[service]}/metrics", headers={"Accept": accept}).text

    def visit(self):
        """Do once what people do, right and wrong."""
        with Visitor(self.urls) as person, client_from(None) as http:
            person.register("Ada")
            token = person.log_in()
            person.order(token, "key")
            person.order(token, "key")
            person.orders(token)
            person.guess()
            http.get(f"{self.urls['orders']}/v1/cached")
            for url in self.urls.values():
                http.get(f"{url}/readyz")
                http.get(f"{url}/v1/nothing")
            for _ in range(4):
                http.get(f"{self.urls['orders']}/v1/orders", headers={"Authorization": "Bearer x"})


def database(folder):
    url = SecretStr(f"sqlite+aiosqlite:///{folder}/{uuid4().hex}.db")
    return DatabaseSettings(url=url, pool_timeout=10, lock_timeout=10)


@asynccontextmanager
async def serving(folder):
    users, orders = Telemetry(), Telemetry()
    settings = UsersSettings(
        database=database(folder),
        passwords=PasswordSettings(memory=64, passes=1, parallelism=1),
        load=PATIENT,
    )
    await upgrade(settings.database, migrations_of(UsersSettings))
    async with listening(users_app(settings, registry=users.registry)) as first:
        url = f"http://127.0.0.1:{first.port}"
        settings = OrdersSettings(
            database=database(folder),
            redis=RedisSettings(url=SecretStr(f"redis://{NOBODY}")),
            clients={"users": ClientSettings(url=url, timeout=10)},
            load=PATIENT,
            rate_limit={"default": "3/second"},
            auth={"jwks_url": f"{url}/.well-known/jwks.json"},
        )
        await upgrade(settings.database, migrations_of(OrdersSettings))
        app = create_app(settings, routers=[router, cached], registry=orders.registry)
        async with listening(app) as second:
            urls = {"users": url, "orders": f"http://127.0.0.1:{second.port}"}
            yield Fleet(urls, {"users": users.registry, "orders": orders.registry})


@pytest.fixture(scope="session")
def fleet(tmp_path_factory):
    """Both services on sockets of this process, after a first visit."""
    folder = tmp_path_factory.mktemp("fleet")
    with start_blocking_portal() as portal, ExitStack() as opened:
        serving_there = portal.wrap_async_context_manager(serving(folder))
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{NOBODY}")
            fleet = opened.enter_context(serving_there)
        until(fleet.is_ready, 60, "the services do not become ready")
        fleet.visit()
        yield fleet


@pytest.fixture(scope="session")
def folder():
    """Where the tools are set up."""
    return FOLDER


@pytest.fixture(scope="session")
def rule_groups():
    """The groups of every rule file, by file name."""
    files = sorted(FOLDER.glob("prometheus/rules/*.yml"))
    return {file.name: yaml.safe_load(file.read_text())["groups"] for file in files}


@pytest.fixture(scope="session")
def rules(rule_groups):
    """Every rule."""
    return [rule for groups in rule_groups.values() for group in groups for rule in group["rules"]]


@pytest.fixture(scope="session")
def dashboards():
    """Every dashboard, by file name."""
    files = sorted(FOLDER.glob("grafana/dashboards/*.json"))
    return {file.name: json.loads(file.read_text()) for file in files}


@pytest.fixture(scope="session")
def promtool():
    """The path of promtool."""
    if found := shutil.which("promtool"):
        return found
    pytest.skip("no promtool: Debian's package prometheus has it")
