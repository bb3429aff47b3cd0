"""A concern is a value: what one production worry adds to an app, and where."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import IntEnum, auto
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

Handler = Callable[[Request, Any], Awaitable[Response]]
Lifespan = Callable[[], AbstractAsyncContextManager[Mapping[str, Any]]]
Check = Callable[[], Awaitable[Mapping[str, str] | None]]
Diagnose = Callable[[float], Awaitable[Sequence["Fault"]]]


class Layer(IntEnum):
    """The order on the wire: the first layer is outermost and sees the request first."""

    CLIENT_ADDRESS = auto()
    REQUEST_ID = auto()
    TRACING = auto()
    ACCESS_LOG = auto()
    METRICS = auto()
    SECURITY_HEADERS = auto()
    CORS = auto()
    COMPRESSION = auto()
    TRUSTED_HOST = auto()
    ERRORS = auto()
    LOAD = auto()
    RATE_LIMIT = auto()
    BODY_LIMIT = auto()
    DEADLINE = auto()
    SERVICE = auto()


ADMIN_LAYERS = frozenset({Layer.REQUEST_ID, Layer.SECURITY_HEADERS, Layer.ERRORS})
"""The layers that also wrap the admin routes: probes are never limited, shed or host-checked."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, for whoever has to put it right. Neither text holds a secret.

    Attributes:
        what: what is wrong, and where.
        fix: what to do about it. `<SERVICE>_` and `<service>` stand for the service's own prefix
            and name.
        warning: the service answers all the same.
    """

    what: str
    fix: str
    warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """One production concern: its middleware, routes, error handlers, lifetime and readiness.

    Attributes:
        name: unique in an app.
        middleware: raw ASGI middleware by the layer it stands in; one per layer in an app.
        routers: routes of the public listener.
        admin_routers: routes of the admin listener.
        error_handlers: exception type to the coroutine that answers it.
        lifespan: opened at start in list order, closed in reverse; yields lifespan state.
        ready: raises to say "not ready"; the exception's text is for operators. What it returns
            is shown beside its status.
        optional: a failing `ready` makes the service degraded, not unready.
        diagnose: looks, for `chassis doctor`, at what the concern needs, and returns what is wrong
            with it. It is called without the lifespan, changes nothing, and gives each thing that
            it asks as many seconds as it is told. Without it `ready` is asked, within a lifespan.
        on_drain: called once when the process is told to stop, before the listener closes.
    """

    name: str
    middleware: Mapping[Layer, Middleware] = field(default_factory=dict)
    routers: Sequence[APIRouter] = ()
    admin_routers: Sequence[APIRouter] = ()
    error_handlers: Mapping[type[Exception], Handler] = field(default_factory=dict)
    lifespan: Lifespan | None = None
    ready: Check | None = None
    optional: bool = False
    diagnose: Diagnose | None = None
    on_drain: Callable[[], None] | None = None


PRINCIPAL = "chassis.principal"
"""Scope key of the verified principal, for concerns that count or keep things by caller."""

KNOWN_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"}
)
"""Methods that telemetry names; a stranger can make up any number of others."""


def http_route(scope: Scope) -> str | None:
    """Return the template of the route that matched (`/v1/orders/{id}`), or None.

    The route object alone lacks the prefix of the routers that include it; FastAPI keeps the whole
    template in a private place, so a test holds this to what clients see.
    """
    included = scope.get("fastapi", {}).get("effective_route_context")
    route = included or scope.get("route")
    return getattr(route, "path_format", None) or getattr(route, "path", None)


@dataclass(frozen=True, slots=True)
class Service:
    """Who emits: the resource of every log line, span and metric."""

    name: str = "unknown"
    version: str = "0"
    environment: str = "development"


class ConcernSettings(BaseModel):
    """The settings of one concern: immutable, and strict about names it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )
