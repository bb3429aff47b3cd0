"""How many requests are in work, and when one more would be too many."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge

from chassis_core.concerns.load.lag import Lag
from chassis_core.problem import Unavailable

PLACE = "chassis.load"
"""Scope key of the `Load` in which a request has a place, which a server gives back for as long as
it waits for the client."""


class Load:
    """The requests in work, the lag of the loop, and whether the process is draining.

    Args:
        limit: requests in work.
        max_lag: seconds of standing lag above which no request is taken.
        retry_after: seconds that a refused caller is told to wait.
        registry: where its metrics are registered.
    """

    def __init__(
        self, *, limit: int, max_lag: float, retry_after: int, registry: CollectorRegistry
    ) -> None:
        self.draining = False
        self.lag = Lag(bearable=max_lag)
        self._limit = limit
        self._retry_after = {"Retry-After": str(retry_after)}
        self._in_flight = 0
        self._show(registry)
        shed = Counter(
            "load_shed_requests", "Requests refused unseen.", ["reason"], registry=registry
        )
        self._too_many, self._too_late = shed.labels("in_flight"), shed.labels("lag")

    def enter(self) -> None:
        """Take one more request.

        Raises:
            Unavailable: there are too many already, or the loop is behind with them.
        """
        if self._in_flight >= self._limit:
            self._too_many.inc()
            raise Unavailable("Too many requests are in flight.", headers=self._retry_after)
        if self.lag.is_standing():
            self._too_late.inc()
            raise Unavailable("More requests come than can be done.", headers=self._retry_after)
        self._in_flight += 1

    def take(self) -> None:
        """Count a request again that is in work again: it has been let in."""
        self._in_flight += 1

    def leave(self) -> None:
        """Count one request less."""
        self._in_flight -= 1

    def drain(self) -> None:
        """Say from now on that the process takes no more requests; it still does."""
        self.draining = True

    async def ready(self) -> Mapping[str, str]:
        """Return how busy the process is; raise once it is draining."""
        if self.draining:
            raise RuntimeError("draining")
        return {
            "in_flight": f"{self._in_flight} of {self._limit}",
            "event_loop_lag_seconds": f"{self.lag.greatest:.3f}",
        }

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[Mapping[str, Any]]:
        """Measure the lag of the loop while the app runs."""
        self.lag.start()
        try:
            yield {}
        finally:
            self.lag.stop()

    def _show(self, registry: CollectorRegistry) -> None:
        gauge = Gauge("load_in_flight_requests", "Requests inside the limit.", registry=registry)
        gauge.set_function(lambda: self._in_flight)
        limit = Gauge("load_in_flight_limit", "Requests allowed in flight.", registry=registry)
        limit.set(self._limit)
        drain = Gauge("load_draining", "1 once the process is told to stop.", registry=registry)
        drain.set_function(lambda: self.draining)
        lag = Gauge(
            "event_loop_lag_seconds",
            "The greatest delay of a callback in the last minute or two.",
            registry=registry,
        )
        lag.set_function(lambda: self.lag.greatest)
