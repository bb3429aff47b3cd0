from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from chassis_core import App, compose
from chassis_core.concerns.auth import (
    AuthSettings,
    CurrentUser,
    auth,
    require_roles,
    require_scopes,
)
from chassis_core.concerns.errors import errors
from chassis_core.testing import running
from chassis_core.testing.issuer import Issuer
from fastapi import APIRouter, Depends
from prometheus_client import CollectorRegistry

router = APIRouter()


@router.get("/me")
async def me(user: CurrentUser) -> dict[str, Any]:
    return {
        "subject": user.subject,
        "issuer": user.issuer,
        "audience": user.audience,
        "scopes": sorted(user.scopes),
        "roles": sorted(user.roles),
    }


@router.get("/scoped", dependencies=[Depends(require_scopes("a:read", "b:read"))])
async def scoped(user: CurrentUser) -> str:
    return user.subject


@router.get("/all", dependencies=[Depends(require_roles("admin", "editor"))])
async def all_roles() -> None: ...


@router.get("/any", dependencies=[Depends(require_roles("admin", "editor", any_of=True))])
async def any_role() -> None: ...


@router.get("/open")
async def unprotected() -> str:
    return "come in"


@dataclass
class World:
    """An app that believes an issuer, as its clients see it."""

    issuer: Issuer
    app: App
    http: httpx2.AsyncClient
    registry: CollectorRegistry

    async def get(self, token: str | bytes, path: str = "/me") -> httpx2.Response:
        bearer = token if isinstance(token, bytes) else token.encode()
        return await self.http.get(path, headers={"Authorization": b"Bearer " + bearer})

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    async def ready(self) -> None:
        (concern,) = [c for c in self.app.concerns if c.name == "auth"]
        assert concern.ready is not None
        await concern.ready()


@asynccontextmanager
async def world_of(issuer: Issuer, settings: AuthSettings) -> AsyncIterator[World]:
    registry = CollectorRegistry()
    app = compose([errors(), auth(settings, registry=registry)], routers=[router])
    async with running(app) as http:
        yield World(issuer, app, http, registry)


@pytest.fixture(scope="session")
def open_world() -> Any:
    """`async with open_world(issuer, settings) as world`."""
    return world_of


@pytest.fixture(scope="module", params=["hmac", "public_key", "jwks"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """The same app in each of the three modes."""
    issuer = Issuer("HS256" if request.param == "hmac" else "ES256")
    async with issuer.serve():
        settings = issuer.settings(request.param, leeway=60, jwks_cooldown=0.1)
        async with world_of(issuer, settings) as made:
            assert (await made.get(issuer.token())).status_code == 200
            yield made
