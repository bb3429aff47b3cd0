"""Load: how many requests run at once, and the word that the process is about to stop."""

from prometheus_client import CollectorRegistry, Counter, Gauge
from pydantic import Field
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis_core.concern import Concern, ConcernSettings, Layer
from chassis_core.problem import Unavailable


class LoadSettings(ConcernSettings):
    """How much work the process takes on."""

    max_concurrency: int = Field(200, ge=1)
    """Requests in flight. One process has one core: at 20 ms of work a request, 200 of them are
    4 s of it, after which a caller has mostly gone. Long streams count, so raise it for those."""
    retry_after: int = Field(1, ge=1)
    """Seconds that a refused caller is told to wait: a queue that size drains in a few."""


class Load:
    """The requests in flight, and whether the process is draining.

    Args:
        settings: the limit.
        registry: where its metrics are registered.
    """

    def __init__(self, settings: LoadSettings, *, registry: CollectorRegistry) -> None:
        self.draining = False
        self._limit = settings.max_concurrency
        self._retry_after = {"Retry-After": str(settings.retry_after)}
        self._in_flight = 0
        gauge = Gauge("load_in_flight_requests", "Requests inside the limit.", registry=registry)
        gauge.set_function(lambda: self._in_flight)
        limit = Gauge("load_in_flight_limit", "Requests allowed in flight.", registry=registry)
        limit.set(self._limit)
        drain = Gauge("load_draining", "1 once the process is told to stop.", registry=registry)
        drain.set_function(lambda: self.draining)
        self._shed = Counter("load_shed_requests", "Requests refused unseen.", registry=registry)

    def enter(self) -> None:
        """Take one more request.

        Raises:
            Unavailable: there are too many already.
        """
        if self._in_flight >= self._limit:
            self._shed.inc()
            raise Unavailable("Too many requests are in flight.", headers=self._retry_after)
        self._in_flight += 1

    def leave(self) -> None:
        """Count one request less."""
        self._in_flight -= 1

    def drain(self) -> None:
        """Say from now on that the process takes no more requests; it still does."""
        self.draining = True

    async def ready(self) -> None:
        """Raise once the process is draining."""
        if self.draining:
            raise RuntimeError("draining")


class LoadMiddleware:
    """Answers 503 at once when as many requests are in flight as one process can finish in time.

    It stands inside a layer that answers problems.

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
        self._load.enter()
        try:
            await self._app(scope, receive, send)
        finally:
            self._load.leave()


def load(settings: LoadSettings, *, registry: CollectorRegistry | None = None) -> Concern:
    """Return the concern that limits the requests in flight and fails readiness on drain."""
    state = Load(settings, registry=registry or CollectorRegistry())
    return Concern(
        name="load",
        middleware={Layer.LOAD: Middleware(LoadMiddleware, load=state)},
        ready=state.ready,
        on_drain=state.drain,
    )
