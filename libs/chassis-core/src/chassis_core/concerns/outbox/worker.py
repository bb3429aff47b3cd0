"""What both sides do in the background: a step again and again, whatever becomes of it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError

from chassis_core.concerns.outbox.settings import OutboxSettings

_log = logging.getLogger(__name__)
FIRST_PAUSE = 0.1
"""Seconds after the first failure; each further one doubles them."""
_EXPECTED = (ConnectionError, SQLAlchemyError)


class Worker:
    """Takes a step when it is woken, and when the pause is over that the last one asked for.

    Args:
        name: in its log lines.
        step: returns the seconds until the next one; 0 if there is more to do at once.
        settings: how long it pauses while steps fail.
        failures: counts those.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], Awaitable[float]],
        *,
        settings: OutboxSettings,
        failures: Counter,
    ) -> None:
        self._name = name
        self._step = step
        self._settings = settings
        self._failures = failures
        self._failed = 0
        self._woken, self._stopped = asyncio.Event(), asyncio.Event()

    @property
    def failing(self) -> bool:
        """Whether the last step failed."""
        return self._failed > 0

    def wake(self) -> None:
        """Take the next step now. While steps fail, it keeps to its pauses."""
        self._woken.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work inside the block. At its end, what is there to do at once is still done."""
        self._woken, self._stopped = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._stopped.set()
            self.wake()
            await asyncio.wait({task}, timeout=self._settings.stop_timeout)
            task.cancel()
            await asyncio.wait({task})

    async def _run(self) -> None:
        while True:
            # Whoever stops it while a step is under way means one more: there may be news.
            last = self._stopped.is_set()
            self._woken.clear()
            pause = await self._try()
            if last and pause:
                return
            if pause:
                await self._sleep(pause)

    async def _try(self) -> float:
        try:
            pause = await self._step()
        except Exception as error:  # noqa: BLE001 - events must flow again, whatever this was
            return self._note(error)
        if self._failed:
            _log.info("events_flow", extra={"worker": self._name, "failures": self._failed})
            self._failed = 0
        return pause

    def _note(self, error: Exception) -> float:
        self._failures.inc()
        if not self._failed:
            unexpected = None if isinstance(error, _EXPECTED) else error
            fields = {"error.type": type(error).__name__, "reason": str(error)}
            fields |= {"worker": self._name}
            _log.warning("events_stuck", extra=fields, exc_info=unexpected)
        self._failed += 1
        doubled = FIRST_PAUSE * 2 ** min(self._failed - 1, 30)
        return float(min(doubled, self._settings.longest_pause))

    async def _sleep(self, pause: float) -> None:
        event = self._stopped if self.failing else self._woken
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await event.wait()
