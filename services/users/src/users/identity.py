"""The concern that gives requests what they need to know people and issue tokens."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

from chassis_core import Concern
from chassis_core.concerns.database import Database
from fastapi import Depends, Request
from prometheus_client import CollectorRegistry

from users.keys import KeyRing
from users.passwords import Passwords
from users.settings import Settings
from users.tokens import AccessTokens, Clients, Grants, RefreshTokens


class Identity:
    """Everything that knows who is who, made once an app."""

    def __init__(
        self, settings: Settings, database: Database, ring: KeyRing, registry: CollectorRegistry
    ) -> None:
        access = AccessTokens(settings, ring)
        self.settings = settings
        self.ring = ring
        self.passwords = Passwords(settings.passwords, registry=registry)
        self.clients = Clients(settings)
        self.refresh = RefreshTokens(settings.tokens, database)
        self.grants = Grants(database, self.passwords, access, self.refresh)


async def _identity(request: Request) -> Identity:
    identity: Identity = request.state.identity
    return identity


CurrentIdentity = Annotated[Identity, Depends(_identity)]
"""The app's `Identity`, in a route's signature."""


def identity(
    settings: Settings, *, database: Database, ring: KeyRing, registry: CollectorRegistry
) -> Concern:
    """Return the concern; it keeps `ring` up with the database while the service runs."""
    made = Identity(settings, database, ring, registry)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[Mapping[str, Any]]:
        async with ring.following():
            yield {"identity": made}

    return Concern(name="identity", lifespan=lifespan, ready=ring.ready, diagnose=ring.diagnose)
