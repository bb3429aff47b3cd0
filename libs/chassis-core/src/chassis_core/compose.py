"""Folds concerns into one FastAPI app and one lifespan."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from chassis_core.concern import ADMIN_LAYERS, Concern, Layer

LifespanOfApp = Callable[[FastAPI], Any]
SILENT: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}


class ComposeError(ValueError):
    """The concerns do not fit together; the message names the two that clash."""


class App(FastAPI):
    """The public app, with the admin app beside it.

    The admin routes answer on the public listener unless `separate_admin` is set, which a server
    with a listener of its own for them does.
    """

    admin: FastAPI
    concerns: tuple[Concern, ...]
    settings: Any = None
    separate_admin = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, or hand it to the admin app if the path is one of its own."""
        if not self.separate_admin and scope.get("path") in self._admin_paths:
            await self.admin(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def add_admin(self, admin: FastAPI, paths: Iterable[str]) -> None:
        """Attach the admin app and the paths it answers."""
        self.admin = admin
        self._admin_paths = frozenset(paths)

    def drain(self) -> None:
        """Tell every concern that the process is about to stop taking requests."""
        for concern in self.concerns:
            if concern.on_drain is not None:
                concern.on_drain()


def compose(
    concerns: Sequence[Concern], *, routers: Sequence[APIRouter] = (), **options: Any
) -> App:
    """Fold `concerns` and a service's `routers` into one app.

    Args:
        concerns: in the order in which their lifespans start. The order of the middleware is
            decided by `Layer` alone.
        routers: the service's own routes.
        options: passed on to `FastAPI`.

    Raises:
        ComposeError: two concerns share a name, a layer or an error handler. Two that share a
            state key are found when the app starts.
    """
    _refuse_twins(concerns)
    layers = _stack(concerns)
    handlers: Any = {t: h for c in concerns for t, h in c.error_handlers.items()}
    admin_routers = [router for c in concerns for router in c.admin_routers]
    admin = FastAPI(
        middleware=[layer for key, layer in layers.items() if key in ADMIN_LAYERS],
        exception_handlers=handlers,
        openapi_url=None,
        redirect_slashes=False,
        telemetry=SILENT,
    )
    app = App(
        middleware=list(layers.values()),
        exception_handlers=handlers,
        lifespan=_lifespan(concerns, admin),
        redirect_slashes=False,
        telemetry=SILENT,
        **options,
    )
    app.concerns = tuple(concerns)
    admin.state.concerns, admin.state.started = app.concerns, False
    for router in admin_routers:
        admin.include_router(router)
    routes = (route for router in admin_routers for route in router.routes)
    app.add_admin(admin, (route.path for route in routes if isinstance(route, Route)))
    for router in [*(r for c in concerns for r in c.routers), *routers]:
        app.include_router(router)
    return app


def _stack(concerns: Sequence[Concern]) -> dict[Layer, Middleware]:
    placed = {layer: m for c in concerns for layer, m in c.middleware.items()}
    return {layer: placed[layer] for layer in sorted(placed)}


def _refuse_twins(concerns: Sequence[Concern]) -> None:
    owners: dict[tuple[str, object], str] = {}
    for concern in concerns:
        claims: list[tuple[str, object]] = [("name", concern.name)]
        claims += [("layer", layer.name) for layer in concern.middleware]
        claims += [("handler of", error) for error in concern.error_handlers]
        for kind, value in claims:
            if (owner := owners.get((kind, value))) is not None:
                what = getattr(value, "__name__", value)
                raise ComposeError(f"{owner!r} and {concern.name!r} share the {kind} {what!r}")
            owners[kind, value] = concern.name


def _lifespan(concerns: Sequence[Concern], admin: FastAPI) -> LifespanOfApp:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        state: dict[str, Any] = {}
        async with AsyncExitStack() as stack:
            for concern in concerns:
                if concern.lifespan is None:
                    continue
                added = await stack.enter_async_context(concern.lifespan())
                if clash := state.keys() & added.keys():
                    msg = f"concern {concern.name!r} claims state keys taken already: {clash}"
                    raise ComposeError(msg)
                state |= added
            admin.state.started = True
            yield state

    return lifespan
