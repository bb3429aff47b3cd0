"""Waiting for what a test caused, with a bound."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def eventually(
    check: Callable[[], object | Awaitable[object]], *, within: float = 15.0, every: float = 0.02
) -> None:
    """Return once `check` returns something true.

    Args:
        check: a function, or a coroutine function.
        within: seconds after which the test fails; long, for machines are busy.
        every: seconds between two looks.

    Raises:
        TimeoutError: it never did.
    """
    async with asyncio.timeout(within):
        while True:
            found = check()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(every)
