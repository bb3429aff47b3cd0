"""The concern that sheds load."""

import asyncio

from prometheus_client import CollectorRegistry
from pydantic import Field
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis_core.concern import Concern, ConcernSettings, Layer
from chassis_core.concerns.load.load import PLACE, Load, Place
from chassis_core.problem import Unavailable


class LoadSettings(ConcernSettings):
    """How much work the process takes on."""

    max_concurrency: int = Field(200, ge=1)
    """Requests in flight. One process has one core: at 20 ms of work a request, 200 of them are
    4 s of it, after which a caller has mostly gone. Long streams count, so raise it for those."""
    max_slowdown: float = Field(1.5, gt=1)
    """How many times as long as usual a request may take while more come than can be done. What
    would make it longer is refused, so that what was taken is answered about as fast as ever: under
    2 a handler that never awaits has the core for itself. Nearer to 1 noise alone is too slow."""
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
        place: Place = scope.get(PLACE) or scope.setdefault(PLACE, Place(self._load))

        async def watched(message: Message) -> None:
            # A stream takes as long as it likes: what counts is how soon it begins.
            if message["type"] == "http.response.start" and message["status"] < 500:
                place.answered(scope.get("endpoint"), message["status"])
            await send(message)

        try:
            await place.enter()
            await self._app(scope, receive, watched)
        except asyncio.CancelledError:
            if not self._load.draining:
                raise
            _take_back_the_cancellation()
            raise Unavailable("The service stopped before the request was done.") from None
        finally:
            place.leave()


def _take_back_the_cancellation() -> None:
    if (task := asyncio.current_task()) is not None:
        task.uncancel()


def load(settings: LoadSettings, *, registry: CollectorRegistry | None = None) -> Concern:
    """Return the concern that limits the requests in work and fails readiness on drain."""
    state = Load(
        most=settings.max_concurrency,
        slowdown=settings.max_slowdown,
        retry_after=settings.retry_after,
        registry=registry,
    )
    return Concern(
        name="load",
        middleware={Layer.LOAD: Middleware(LoadMiddleware, load=state)},
        lifespan=state.lifespan,
        ready=state.ready,
        on_drain=state.drain,
    )
