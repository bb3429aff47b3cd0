"""The lag of the event loop: how late it runs what is due."""

import asyncio
import time

TICK = 0.01
"""Seconds between two looks at the clock: at 10 ms they cost a thousandth of a core."""
STANDING = 2.0
"""Seconds for which every turn must be long before the lag counts as standing: a burst of 800 new
connections is served within one of them."""
STALLED = 10
"""How many times as long as it may work a turn may take: more is a loop that blocks."""
ALERT = 1.0
"""Seconds for which it counts on after the last long turn: overload comes in waves."""
WINDOW = 60.0
"""Seconds for which the greatest lag is shown at least: no scraper looks more seldom."""


class Lag:
    """Measures how late the loop runs a callback, and how much work each of its turns holds.

    While there is more work than time, every turn of the loop is long: such a lag stands, where a
    single slow step makes one that passes. Work is counted in the thread's own time, so that a
    loop which has to wait for a core is not taken for one that has too much to do.

    Args:
        bearable: seconds of work in a turn that are not worth a thought.
    """

    def __init__(self, *, bearable: float) -> None:
        self._bearable = bearable
        self._due = float("inf")
        self._worked = 0.0
        self._long_since = float("inf")
        self._alert_until = 0.0
        self._greatest = self._greatest_before = self._window_ends = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Measure the running loop from now on."""
        self._window_ends = time.monotonic() + WINDOW
        self._look_again(time.monotonic())

    def stop(self) -> None:
        """Stop to measure."""
        if self._timer is not None:
            self._timer.cancel()
        self._due, self._alert_until = float("inf"), 0.0

    @property
    def greatest(self) -> float:
        """The greatest lag of the last one or two minutes, in seconds."""
        return max(self._greatest, self._greatest_before, self._now())

    def is_standing(self) -> bool:
        """Whether turns have been long for a while, and this one is."""
        return time.monotonic() < self._alert_until and self._is_long()

    def _now(self) -> float:
        return max(0.0, time.monotonic() - self._due)

    def _is_long(self) -> bool:
        worked = time.thread_time() - self._worked
        return worked > self._bearable or self._now() > STALLED * self._bearable

    def _look(self) -> None:
        now = time.monotonic()
        self._judge(now, is_long=self._is_long())
        if now > self._window_ends:
            self._greatest_before, self._greatest = self._greatest, 0.0
            self._window_ends = now + WINDOW
        self._greatest = max(self._greatest, now - self._due)
        self._look_again(now)

    def _judge(self, now: float, *, is_long: bool) -> None:
        if not is_long:
            self._long_since = float("inf")
            return
        self._long_since = min(self._long_since, now)
        if now < self._alert_until or now - self._long_since >= STANDING:
            self._alert_until = now + ALERT

    def _look_again(self, now: float) -> None:
        self._due = now + TICK
        self._worked = time.thread_time()
        self._timer = asyncio.get_running_loop().call_later(TICK, self._look)
