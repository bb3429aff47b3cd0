"""The users service."""

from typing import Unpack

from chassis_core import App, Shared, create_app, share

from users.api import routers
from users.identity import identity
from users.keys import KeyRing
from users.settings import Settings


def app(settings: Settings | None = None, **shared: Unpack[Shared]) -> App:
    """Return the app. It verifies the tokens that it issues with its own key ring."""
    settings = settings or Settings()
    shared = share(settings, **shared)
    database, registry = shared["database"], shared["registry"]
    shared["keys"] = ring = KeyRing(settings, database)
    own = identity(settings, database=database, ring=ring, registry=registry)
    return create_app(settings, routers=routers, concerns=[own], **shared)
