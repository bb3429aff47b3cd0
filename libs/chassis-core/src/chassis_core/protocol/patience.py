"""How long a connection may keep us waiting, at the price of one timer for many requests."""

import asyncio
from collections.abc import Callable
from typing import Literal

Awaited = Literal["head", "body", "reader", "request", "end"]
"""What can be waited for: the rest of a head, more of a body, a client that reads its answer, the
next request of a kept connection, or the last bytes of a connection that closes."""


class Patience:
    """Calls back when what is waited for has not come in time.

    The timer is not moved when the wait ends: it finds, when it fires, that nothing or something
    later is due. So a request that comes and is answered in time costs no timer.

    Args:
        loop: whose clock counts.
        expired: told what did not come.
    """

    __slots__ = ("_due", "_expired", "_fires", "_loop", "_timer", "awaited")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[Awaited], None]) -> None:
        self.awaited: Awaited | None = None
        self._loop = loop
        self._expired = expired
        self._due = self._fires = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def wait(self, awaited: Awaited, seconds: float) -> None:
        """Wait for this, and no longer for anything else."""
        self.awaited = awaited
        self._due = self._loop.time() + seconds
        if self._timer is None or self._due < self._fires:
            self._arm()

    def earn(self, awaited: Awaited, seconds: float, *, most: float) -> None:
        """Wait so much longer for this, of which a part has come, and `most` seconds at most."""
        if self.awaited == awaited:
            most = min(most, self._due - self._loop.time() + seconds)
        self.wait(awaited, most)

    def rest(self) -> None:
        """Wait for nothing."""
        self.awaited = None

    def stop(self) -> None:
        """Wait for nothing ever again."""
        self.awaited = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._fires = self._due
        self._timer = self._loop.call_at(self._due, self._fire)

    def _fire(self) -> None:
        self._timer = None
        if self.awaited is None:
            return
        if self._loop.time() < self._due:
            self._arm()
            return
        awaited, self.awaited = self.awaited, None
        self._expired(awaited)
