"""How many calls to one service may be in flight."""

import asyncio


class Bulkhead:
    """Places for calls: a service that hangs holds these and nothing more.

    Args:
        places: calls at once.
    """

    def __init__(self, places: int) -> None:
        self._free = asyncio.Semaphore(places)
        self.in_flight = 0

    async def enter(self, within: float) -> None:
        """Take a place.

        Raises:
            TimeoutError: none came free within these seconds.
        """
        async with asyncio.timeout(within):
            await self._free.acquire()
        self.in_flight += 1

    def leave(self) -> None:
        """Give the place back."""
        self.in_flight -= 1
        self._free.release()
