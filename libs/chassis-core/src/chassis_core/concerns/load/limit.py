"""How many requests may be in work: as many as may be at all, until more come than can be done.

Every `WINDOW` seconds the process is one of two:

- calm, until more come than are done for `OVERLOADED_AFTER`, or one had to be refused, while even
  the fastest are slow;
- overloaded, until none had to be refused for `CALM_AFTER`. Meanwhile the limit falls by how slow
  the last requests were, rises when they were not, and tries one more every `PROBE_EVERY`.
"""

import time
from collections.abc import Callable, Hashable
from math import inf

from chassis_core.concerns.load.slowness import Slowness
from chassis_core.concerns.load.storm import Storm

WINDOW = 0.025
"""Seconds between two judgements."""
BACKLOG = 32
"""Requests that wait or are in work before anything is taken for overload."""
QUIET = 8
"""Requests up to which the time that one takes tells what is usual: more make each other slow."""
GROWING = 1.25
"""How many times as many requests must come as are done. Clients that wait for their answers never
send more than are done, however many they are."""
OVERLOADED_AFTER = 0.2
"""Seconds for which that must hold: a burst of two hundred is over by then."""
LEAST = 1.0
"""Requests in work that do not wait for each other."""
STUCK_AFTER = 0.5
"""Seconds of being too slow with so few after which others are to blame for that."""
PROBE_EVERY = 4.0
"""Seconds after which one more is tried that might make all too slow."""
CALM_AFTER = 1.0
"""Seconds without a refusal after which the overload is over."""


class Window:
    """What happened since the last judgement: requests that came, were done, were refused."""

    __slots__ = ("came", "done", "shed")

    def __init__(self) -> None:
        self.came = self.done = self.shed = 0


class Limit:
    """The number of requests that may wait or be in work while more come than can be done.

    Overload is seen by more requests coming than are done, for a while, and by each taking many
    times as long as one of its kind usually does. From then on the limit follows that slowness:
    what is taken is answered about as fast as ever, and the rest is refused at once. A dependency
    that hangs is no overload: requests that do not need it are as fast as before. Nor is it a
    reason to take less and less: what is as slow with next to nothing in work is not slow by its
    number.

    Args:
        most: requests when there is no overload.
        slowdown: how many times as long as usual a request may take in overload.
        clock: monotonic seconds.
    """

    def __init__(
        self, most: int, *, slowdown: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.now = float(most)
        self.overloaded = False
        self.window = Window()
        self._most = float(most)
        self._slowdown = slowdown
        self._clock = clock
        self._slowness = Slowness()
        self._storm = Storm(clock())
        self._grows_since = self._shed_at = self._stuck_since = self._tried_at = clock()

    @property
    def hold(self) -> float:
        """Seconds for which a refusal is held back."""
        return self._storm.hold

    def took(self, route: Hashable, status: int, seconds: float) -> None:
        """Note how long a request of a route took that was answered well, with this status."""
        self._slowness.took(route, status, seconds)

    def judge(self, *, pending: int, in_flight: int) -> None:
        """Set the limit by what has happened since the last judgement."""
        now, (window, self.window) = self._clock(), (self.window, Window())
        self._slowness.done(window.done)
        if pending <= BACKLOG or window.came <= GROWING * window.done:
            self._grows_since = now
        if self.overloaded:
            self._follow(window, in_flight, now)
        elif window.shed or pending > self._most or now - self._grows_since >= OVERLOADED_AFTER:
            self._suspect(pending, now)
        elif self._grows_since == now:
            self._slowness.forget()
        self._slowness.overloaded = self.overloaded
        self._slowness.calm = not self.overloaded and pending <= QUIET

    def _suspect(self, pending: int, now: float) -> None:
        # Where even the fastest quarter is slow, no dependency hangs: everything does.
        if (slow := self._slowness.of(0.25)) > self._slowdown:
            self.overloaded, self._shed_at, self._stuck_since = True, now, now
            self._storm = Storm(now)
            self._set(pending * self._slowdown / slow)

    def _follow(self, window: Window, in_flight: int, now: float) -> None:
        if window.shed:
            self._shed_at = now
        elif now - self._shed_at > CALM_AFTER:
            self.overloaded, self.now, self._storm = False, self._most, Storm(now)
            return
        self._storm.judge(shed=window.shed, done=window.done, now=now)
        # What was let in before the limit fell says nothing about the limit.
        if (slow := self._slowness.of(0.75)) and in_flight <= self.now + 1:
            if self.now >= 2 * LEAST or slow <= self._slowdown or slow == inf:
                self._stuck_since = now
            elif now - self._stuck_since >= STUCK_AFTER:
                self._slowness.is_usual(slow)
                slow, self._stuck_since, self._tried_at = 1.0, now, -inf
            self._step(slow, now)

    def _step(self, slow: float, now: float) -> None:
        if slow > self._slowdown:
            self._set(self.now * max(0.9, self._slowdown / slow))
        elif slow * int(self.now * 1.1) / int(self.now) <= self._slowdown:
            self._set(self.now * 1.1)
        elif now - self._tried_at >= PROBE_EVERY:
            # One more would make all that much slower if they wait for each other; perhaps not.
            self._tried_at = now
            self._set(int(self.now) + 1)

    def _set(self, limit: float) -> None:
        self.now = min(self._most, max(LEAST, limit))
