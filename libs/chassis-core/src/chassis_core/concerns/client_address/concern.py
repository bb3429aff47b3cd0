"""The concern that decides who the client is."""

from starlette.middleware import Middleware

from chassis_core.concern import Concern, Layer
from chassis_core.concerns.client_address.middleware import (
    ClientAddressMiddleware,
    ClientAddressSettings,
)


def client_address(settings: ClientAddressSettings) -> Concern:
    """Return the concern that decides who the client is; every other one reads `scope["client"]`.

    A server in front of it must not do the same on its own (`uvicorn --no-proxy-headers`).
    """
    layer = Middleware(ClientAddressMiddleware, settings=settings)
    return Concern(name="client_address", middleware={Layer.CLIENT_ADDRESS: layer})
