"""How many requests may be in work: as many as may be at all, until more come than can be done."""

import time
from collections.abc import Callable, Hashable
from math import inf

WINDOW = 0.025
"""Seconds between two judgements."""
MANY = 32
"""Requests that wait or are in work before anything is taken for overload."""
GROWING = 1.25
"""How many times as many requests must come as are done. Clients that wait for their answers never
send more than are done, however many they are."""
FOR = 0.2
"""Seconds for which that must hold, and so must a storm: a burst of two hundred is over by then."""
FEW = 4
"""Requests whose times say nothing about all."""
RECENT = 16
"""Requests, the last ones done, whose times tell how slow it is now."""
LEAST = 2.0
"""Requests that keep one core busy."""
CALM = 1.0
"""Seconds without a refusal after which the overload is over."""
MEMORY = 30.0
"""Seconds for which the best time of a route is remembered at least."""
STORM = 8
"""Refusals for each request done that take too much of the core: callers who come back at once
whenever they are refused leave no time for anything else."""
LONGEST_HOLD = 0.1
"""Seconds for which a refusal is held back in such a storm at most: a connection is held with it,
and a caller who does not wait for answers opens another."""


class Window:
    """What happened since the last judgement: requests that came, were done, were refused."""

    __slots__ = ("came", "done", "shed")

    def __init__(self) -> None:
        self.came = self.done = self.shed = 0


class Limit:
    """The number of requests that may wait or be in work while more come than can be done.

    Overload is seen by more requests coming than are done, for a while, and by each taking many
    times as long as its route's best. From then on the limit follows that slowness: what is taken
    is answered about as fast as ever, and the rest is refused at once. A dependency that hangs is
    no overload: requests that do not need it are as fast as before.

    Args:
        most: requests when there is no overload.
        slowdown: how many times as long as its best a request may take in overload.
        clock: monotonic seconds.
    """

    def __init__(
        self, most: int, *, slowdown: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.now = float(most)
        self.overloaded = False
        self.hold = 0.0
        """Seconds for which a refusal is held back."""
        self.window = Window()
        self._most = float(most)
        self._slowdown = slowdown
        self._clock = clock
        self._slow: list[float] = []
        self._done_badly = 0
        self._best: dict[Hashable, float] = {}
        self._best_before: dict[Hashable, float] = {}
        self._forget_at = clock() + MEMORY
        self._grows_since = self._shed_at = self._storms_since = clock()

    def took(self, route: Hashable, seconds: float) -> None:
        """Note how long a request of a route took that was answered well."""
        self._best[route] = best = min(seconds, self._best.get(route, seconds))
        self._slow.append(seconds / min(best, self._best_before.get(route, best)))
        self._done_badly = 0

    def judge(self, *, pending: int, in_flight: int) -> None:
        """Set the limit by what has happened since the last judgement."""
        now, (window, self.window) = self._clock(), (self.window, Window())
        self._done_badly += window.done
        if pending <= MANY or window.came <= GROWING * window.done:
            self._grows_since = now
        if self.overloaded:
            self._follow(window, in_flight, now)
        elif window.shed or pending > self._most or now - self._grows_since >= FOR:
            self._suspect(pending, now)
        elif self._grows_since == now:
            self._slow.clear()
            self._forget(now)

    def _suspect(self, pending: int, now: float) -> None:
        # Where even the fastest quarter is slow, no dependency hangs: everything does.
        if (slow := self._slowness(0.25)) > self._slowdown:
            self.overloaded, self._shed_at, self._storms_since = True, now, now
            self._set(pending * self._slowdown / slow)

    def _follow(self, window: Window, in_flight: int, now: float) -> None:
        if window.shed:
            self._shed_at = now
        elif now - self._shed_at > CALM:
            self.overloaded, self.hold, self.now = False, 0.0, self._most
            return
        if window.shed <= STORM * max(1, window.done):
            self._storms_since = now
        self._hold_back(storm=now - self._storms_since >= FOR)
        # What was let in before the limit fell says nothing about the limit.
        if (slow := self._slowness(0.75)) and in_flight <= self.now + 1:
            self._set(self.now * min(1.1, max(0.5, self._slowdown / slow)))

    def _hold_back(self, *, storm: bool) -> None:
        if storm:
            self.hold = min(LONGEST_HOLD, max(0.02, self.hold * 1.5))
        else:
            self.hold = self.hold * 0.9 if self.hold > 0.01 else 0.0

    def _slowness(self, share: float) -> float:
        if len(self._slow) < FEW:
            return inf if self._done_badly >= FEW else 0.0
        slow, self._slow = sorted(self._slow[-RECENT:]), []
        return slow[int(len(slow) * share)]

    def _forget(self, now: float) -> None:
        if now > self._forget_at:
            self._best, self._best_before = {}, self._best
            self._forget_at = now + MEMORY

    def _set(self, limit: float) -> None:
        self.now = min(self._most, max(LEAST, limit))
