"""Calls of the SDK that may hang, for its own timeouts do not hold."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


async def aside(work: Callable[[], T]) -> T:
    """Return what `work` returns, from a thread that the process does not wait for at its end."""
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()  # who gives up leaves the thread to itself

    def run() -> None:
        try:
            done.set_result(work())
        except Exception as error:  # noqa: BLE001 - whoever awaits gets it
            done.set_exception(error)

    Thread(target=run, daemon=True).start()
    return await asyncio.wrap_future(done)
