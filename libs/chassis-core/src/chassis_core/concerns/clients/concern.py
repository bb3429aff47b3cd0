"""The clients of an app: one for each other service that its settings name."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import httpx2
from fastapi import Request
from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry

from chassis_core.concern import Concern
from chassis_core.concerns.clients.client import ServiceClient
from chassis_core.concerns.clients.diagnosis import diagnose
from chassis_core.concerns.clients.metrics import ClientMetrics
from chassis_core.concerns.clients.settings import ClientSettings


def client(name: str) -> Callable[[Request], Awaitable[ServiceClient]]:
    """Return the dependency that gives the client of the service `name`.

    `Users = Annotated[ServiceClient, Depends(client("users"))]`, with the setting
    `<PREFIX>_CLIENTS__USERS__URL`.
    """

    async def service_client(request: Request) -> ServiceClient:
        clients: Mapping[str, ServiceClient] = request.state.clients
        if name not in clients:
            known = ", ".join(sorted(clients)) or "none"
            raise LookupError(f"no client {name!r}: set CLIENTS__{name.upper()}__URL; set: {known}")
        return clients[name]

    return service_client


def clients(
    settings: Mapping[str, ClientSettings],
    *,
    registry: CollectorRegistry | None = None,
    tracer: Tracer | None = None,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> Concern:
    """Return the concern that opens and closes a client for each service in `settings`."""
    metrics = ClientMetrics(registry)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[Mapping[str, Any]]:
        async with AsyncExitStack() as stack:
            opened = {
                name: ServiceClient(name, each, metrics=metrics, tracer=tracer, transport=transport)
                for name, each in settings.items()
            }
            for each in opened.values():
                stack.push_async_callback(each.aclose)
            yield {"clients": opened}

    looks = partial(diagnose, settings, transport) if settings else None
    return Concern(name="clients", lifespan=lifespan, diagnose=looks)
