"""How many requests are in work, and when one more would be too many."""

import asyncio
import time
from collections.abc import AsyncIterator, Hashable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge

from chassis_core.concerns.load.lag import Lag
from chassis_core.concerns.load.limit import WINDOW, Limit
from chassis_core.problem import Unavailable

PLACE = "chassis.load"
"""Scope key of a request's `Place`. A server that puts it there as soon as it has read the request
lets those count that wait for their turn; it stops the clock while it waits for the client."""
STATE = "load"
"""Key of the `Load` in the lifespan's state."""


class Load:
    """The requests in work, the lag of the loop, and whether the process is draining.

    Args:
        most: requests in work.
        slowdown: how many times as long as usual a request may take in overload.
        retry_after: seconds that a refused caller is told to wait.
        registry: where its metrics are registered.
    """

    def __init__(
        self, *, most: int, slowdown: float, retry_after: int, registry: CollectorRegistry | None
    ) -> None:
        self.draining = False
        self.lag = Lag()
        self.limit = Limit(most, slowdown=slowdown)
        self.pending = self.in_flight = 0
        self._most = most
        self._retry_after = {"Retry-After": str(retry_after)}
        self._show(registry)
        shed = Counter(
            "load_shed_requests", "Requests refused unseen.", ["reason"], registry=registry
        )
        self._too_many, self._too_late = shed.labels("in_flight"), shed.labels("overload")

    def refusal(self) -> Unavailable | None:
        """Return why no more may be done now, if so; it is counted as said to a caller."""
        if self.in_flight >= self._most:
            return self._refuse("Too many requests are in flight.", self._too_many)
        if self.limit.overloaded and self.pending > self.limit.now:
            return self._refuse("More requests come than can be done.", self._too_late)
        return None

    def _refuse(self, reason: str, counted: Counter) -> Unavailable:
        counted.inc()
        self.limit.window.shed += 1
        return Unavailable(reason, headers=self._retry_after)

    def drain(self) -> None:
        """Say from now on that the process takes no more requests; it still does."""
        self.draining = True

    async def ready(self) -> Mapping[str, str]:
        """Return how busy the process is; raise once it is draining."""
        if self.draining:
            raise RuntimeError("draining")
        return {
            "in_flight": f"{self.in_flight} of {self.limit.now:.0f}",
            "event_loop_lag_seconds": f"{self.lag.greatest:.3f}",
        }

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[Mapping[str, Any]]:
        """Watch the loop and the requests while the app runs."""
        self.lag.start()
        self._judge_later()
        try:
            yield {STATE: self}
        finally:
            self._judging.cancel()
            self.lag.stop()

    def _judge_later(self) -> None:
        # A timer, not a task: it sees those that were read and have not had their turn.
        self._judging = asyncio.get_running_loop().call_later(WINDOW, self._judge)

    def _judge(self) -> None:
        self.limit.judge(pending=self.pending, in_flight=self.in_flight)
        self._judge_later()

    def _show(self, registry: CollectorRegistry | None) -> None:
        gauge = Gauge("load_in_flight_requests", "Requests inside the limit.", registry=registry)
        gauge.set_function(lambda: self.in_flight)
        limit = Gauge("load_in_flight_limit", "Requests allowed in flight.", registry=registry)
        limit.set_function(lambda: self.limit.now)
        drain = Gauge("load_draining", "1 once the process is told to stop.", registry=registry)
        drain.set_function(lambda: self.draining)
        lag = Gauge(
            "event_loop_lag_seconds",
            "The greatest delay of a callback in the last minute or two.",
            registry=registry,
        )
        lag.set_function(lambda: self.lag.greatest)


class Place:
    """One request's place in the load, from when it was read until its answer is complete."""

    __slots__ = ("_began", "_entered", "_load", "_open", "_rested")

    def __init__(self, load: Load) -> None:
        self._load = load
        self._began = time.monotonic()
        self._rested = 0.0
        self._entered, self._open = False, True
        load.pending += 1
        load.limit.window.came += 1

    def refusal(self) -> Unavailable | None:
        """Return why the request is refused as soon as it was read, if it is: it has left then.

        That costs a fraction of a refusal within the app.
        """
        if (refusal := self._load.refusal()) is not None:
            self.leave()
        return refusal

    @property
    def hold(self) -> float:
        """Seconds for which a refusal is held back."""
        return self._load.limit.hold

    async def enter(self) -> None:
        """Begin the work.

        Raises:
            Unavailable: there is too much of it.
        """
        if (refusal := self.refusal()) is not None:
            if self.hold:
                await asyncio.sleep(self.hold)
            raise refusal
        self._entered = True
        self._load.in_flight += 1

    def rest(self) -> None:
        """Give the place back while the request waits for its client."""
        self._rested -= time.monotonic()
        self._count(-1)

    def resume(self) -> None:
        """Take the place again: the request was let in."""
        self._rested += time.monotonic()
        self._count(1)

    def answered(self, route: Hashable, status: int) -> None:
        """Note how long an answer took, when it begins and is not our failure."""
        took = time.monotonic() - self._began - self._rested
        self._load.limit.took(route, status, took)

    def leave(self) -> None:
        """Give the place back; more than once does no harm."""
        if not self._open:
            return
        self._open = False
        if self._entered:
            self._load.limit.window.done += 1
        self._count(-1)

    def _count(self, change: int) -> None:
        self._load.pending += change
        if self._entered:
            self._load.in_flight += change
