"""A service that is asked what it keeps: its app, made as often as needed, and what it emits."""

import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import httpx2

from chassis_core import migrations
from chassis_core.app import offering
from chassis_core.compose import App
from chassis_core.settings import ServiceSettings, env_prefix
from chassis_core.testing.client import running
from chassis_core.testing.conformance.operations import Document, Operation, operations_of
from chassis_core.testing.conformance.peers import Peers
from chassis_core.testing.conformance.probe import probe
from chassis_core.testing.conformance.surroundings import Factory, production, surrounded
from chassis_core.testing.issuer import Issuer
from chassis_core.testing.listener import Raw, listening
from chassis_core.testing.telemetry import Telemetry

PEER = "198.51.100.7"
"""The address that a running service sees its client at."""


@dataclass(frozen=True, slots=True)
class Running:
    """A service that runs in this process.

    Attributes:
        app: its app.
        telemetry: what it has emitted.
        http: a client of its public and admin routes.
    """

    app: App
    telemetry: Telemetry
    http: httpx2.AsyncClient

    async def send(
        self,
        operation: Operation,
        headers: Mapping[str, str] = MappingProxyType({}),
        *,
        query: Mapping[str, str] = MappingProxyType({}),
        **body: Any,
    ) -> httpx2.Response:
        """Send a request of an operation, with what it requires.

        Args:
            operation: what is asked for.
            headers: further ones, which win over those that the operation requires.
            query: further parameters.
            body: as the client takes it, such as `json=...`.
        """
        return await self.http.request(
            operation.method,
            operation.url,
            headers={**operation.headers, **headers},
            params={**operation.query, **query},
            **body,
        )

    async def admin(self, path: str) -> httpx2.Response:
        """Ask the admin listener for `path`."""
        transport = httpx2.ASGITransport(self.app.admin, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://admin") as http:
            return await http.get(path)


@dataclass(frozen=True, slots=True)
class Subject:
    """A service under test, as it is in production, with a migrated database of its own.

    Attributes:
        make: makes its app; each promise has one of its own.
        environment: in which it is made.
        settings: that it then has.
        document: its OpenAPI document.
        issuer: whose tokens it believes; None if it has keys of its own.
        folder: for the files of one promise.
        replaces: standard concerns that it says it replaces.
    """

    make: Factory
    environment: Mapping[str, str]
    settings: ServiceSettings
    document: Document
    issuer: Issuer | None
    folder: Path
    replaces: frozenset[str] = frozenset()

    @property
    def host(self) -> str:
        """A name that it answers for: its own."""
        return self.settings.name

    @property
    def operations(self) -> list[Operation]:
        """The operations of its document."""
        return operations_of(self.document)

    @property
    def migrations(self) -> Path | None:
        """Where its migrations are, if it has any."""
        return migrations.migrations_of(type(self.settings))

    def token(self, *scopes: str, caller: str = "u1") -> dict[str, str]:
        """Return the header of a token that it believes; empty if it has keys of its own."""
        if self.issuer is None:
            return {}
        return {"authorization": f"Bearer {self.issuer.token(caller, scopes=scopes)}"}

    def build(self, **changes: str) -> tuple[App, Telemetry]:
        """Make its app, with the probe added, and the capture of what the app emits.

        Args:
            changes: further settings, such as `DEADLINE__TIMEOUT="1"`. Without another, the
                default limit is one that no promise reaches.
        """
        telemetry = Telemetry()
        changes = {"RATE_LIMIT__DEFAULT": "100000/second"} | changes
        prefix = env_prefix(type(self.settings))
        environment = {**self.environment, **{prefix + k: v for k, v in changes.items()}}
        app = _made(self.make, environment, telemetry, Peers(self.settings.clients))
        app.include_router(probe())
        return app, telemetry

    @asynccontextmanager
    async def running(self, **changes: str) -> AsyncIterator[Running]:
        """Run it in this process; `changes` are those of `build`."""
        app, telemetry = self.build(**changes)
        url = f"http://{self.host}"
        async with running(app, client=(PEER, 50_000), base_url=url) as http:
            yield Running(app, telemetry, http)

    @asynccontextmanager
    async def listening(self, **changes: str) -> AsyncIterator[tuple[Raw, Telemetry]]:
        """Run it behind its real listener; `changes` are those of `build`."""
        app, telemetry = self.build(**changes)
        free = app.settings.server.model_copy(update={"host": "127.0.0.1", "port": 0})
        async with listening(app, free) as raw:
            yield raw, telemetry


@asynccontextmanager
async def examining(make: Factory, *, replaces: Iterable[str] = ()) -> AsyncIterator[Subject]:
    """Yield the service that `make` makes, ready to be asked about promises.

    Args:
        make: the factory that the service's entry point names.
        replaces: standard concerns that the service replaces on purpose.

    Raises:
        InvalidSettings: it lacks a setting for which no value can be made up.
    """
    with TemporaryDirectory(prefix="chassis-") as name:
        folder = Path(name)
        settings: ServiceSettings = _made(make, os.environ, Telemetry()).settings
        issuer = None if settings.auth.mode == "none" else Issuer(issuer="https://issuer.invalid/")
        environment = production(make, settings, folder=folder, issuer=issuer)
        app: Any = _made(make, environment, Telemetry())
        document = app.openapi()
        subject = Subject(
            make, environment, app.settings, document, issuer, folder, frozenset(replaces)
        )
        if subject.migrations is not None:
            await migrations.upgrade(app.settings.database, subject.migrations)
        yield subject


def _made(
    make: Factory,
    environment: Mapping[str, str],
    telemetry: Telemetry,
    network: httpx2.AsyncBaseTransport | None = None,
) -> App:
    shared = telemetry.shared()
    shared["transport"] = network or Peers({})
    with surrounded(environment), offering(**shared):
        return make()
