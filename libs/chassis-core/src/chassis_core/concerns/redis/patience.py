"""A timeout that does not run out while the loop is late itself."""

import asyncio
from types import TracebackType

LATE = 0.01
"""Seconds by which the loop is late itself when it sees that the time is up."""
ONE_TURN = 0.002
"""Seconds that are given on top then: the loop reads what has come, and looks again."""
TURNS = 5
"""Such turns at most: a new connection takes some before a command is answered on it."""


class Within:
    """Bounds what is awaited inside, and raises `TimeoutError` when the time is up.

    A loop that something else has held sees the timer before the answer, however long that has
    been there. So whoever was late looks once more.

    Args:
        seconds: the time.
    """

    __slots__ = ("_due", "_limit", "_loop", "_timer", "_turns")

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit = asyncio.timeout(None)
        self._turns = TURNS
        self._look_at(self._loop.time() + seconds)

    async def __aenter__(self) -> None:
        """Begin."""
        await self._limit.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""
        self._timer.cancel()
        await self._limit.__aexit__(kind, error, trace)

    def _look_at(self, due: float) -> None:
        self._due = due
        self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        if self._turns and now - self._due > LATE:
            self._turns -= 1
            self._look_at(now + ONE_TURN)
        else:
            self._limit.reschedule(now)
