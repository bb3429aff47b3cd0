"""The lag of the event loop: how late it runs what is due."""

import asyncio
import time

TICK = 0.01
"""Seconds between two looks at the clock: at 10 ms they cost a thousandth of a core."""
WINDOW = 60.0
"""Seconds for which the greatest lag is shown at least: no scraper looks more seldom."""


class Lag:
    """Measures how late the loop runs a callback."""

    def __init__(self) -> None:
        self._due = float("inf")
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
        self._due = float("inf")

    @property
    def greatest(self) -> float:
        """The greatest lag of the last one or two minutes, in seconds."""
        return max(self._greatest, self._greatest_before, time.monotonic() - self._due)

    def _look(self) -> None:
        now = time.monotonic()
        if now > self._window_ends:
            self._greatest_before, self._greatest = self._greatest, 0.0
            self._window_ends = now + WINDOW
        self._greatest = max(self._greatest, now - self._due)
        self._look_again(now)

    def _look_again(self, now: float) -> None:
        self._due = now + TICK
        self._timer = asyncio.get_running_loop().call_later(TICK, self._look)
