"""The concern that sheds load."""

import asyncio

from prometheus_client import CollectorRegistry
from pydantic import Field
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis_core.concern import Concern, ConcernSettings, Layer
from chassis_core.concerns.load.load import PLACE, Load
from chassis_core.problem import Unavailable


class LoadSettings(ConcernSettings):
    """How much work the process takes on."""

    max_concurrency: int = Field(200, ge=1)
    """Requests in flight. One process has one core: at 20 ms of work a request, 200 of them are
    4 s of it, after which a caller has mostly gone. Long streams count, so raise it for those."""
    max_lag: float = Field(0.05, gt=0)
    """Seconds of work in one turn of the event loop, for a while. A loop whose turns stay longer
    has more work than a core can do: what comes later in each turn is then refused, so that what
    was taken is answered about as fast as ever. It is a little more than a turn that serves
    `max_concurrency` small requests at once, which is no overload."""
    retry_after: int = Field(1, ge=1)
    """Seconds that a refused caller is told to wait: a queue that size drains in a few."""


class LoadMiddleware:
    """Answers 503 at once when the process has as much to do as it can finish in time.

    A request that is cancelled while the process stops is answered 503 too. It stands inside a
    layer that answers problems.

    Args:
        app: the app within.
        load: counts the requests.
    """

    def __init__(self, app: ASGIApp, *, load: Load) -> None:
        self._app = app
        self._load = load

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        load = self._load
        load.enter()
        scope[PLACE] = load
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not load.draining:
                raise
            _take_back_the_cancellation()
            raise Unavailable("The service stopped before the request was done.") from None
        finally:
            load.leave()


def _take_back_the_cancellation() -> None:
    if (task := asyncio.current_task()) is not None:
        task.uncancel()


def load(settings: LoadSettings, *, registry: CollectorRegistry | None = None) -> Concern:
    """Return the concern that limits the requests in work and fails readiness on drain."""
    state = Load(
        limit=settings.max_concurrency,
        max_lag=settings.max_lag,
        retry_after=settings.retry_after,
        registry=registry or CollectorRegistry(),
    )
    return Concern(
        name="load",
        middleware={Layer.LOAD: Middleware(LoadMiddleware, load=state)},
        lifespan=state.lifespan,
        ready=state.ready,
        on_drain=state.drain,
    )
