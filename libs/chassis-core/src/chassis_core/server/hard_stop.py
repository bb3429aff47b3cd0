"""The end that nothing can hold up."""

import logging
import os
import threading
from contextvars import copy_context
from typing import Self

LAST_BREATH = 1.0
"""Seconds after which the process ends with threads that have not."""
_log = logging.getLogger(__name__)


class HardStop:
    """Ends the process when its orderly end takes too long, whatever holds it.

    A block: once it is left, the process is no longer ended by it.
    """

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Self:
        """Do nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Call it off."""
        if self._timer is not None:
            self._timer.cancel()

    def within(self, seconds: float, code: int) -> None:
        """End with this code in so many seconds, unless it is called off."""
        self._timer = _timer(seconds, code, "ended by force")


def leave_threads_behind(code: int) -> None:
    """End the process even if a handler of a plain `def` still blocks a thread."""
    held = [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
    if held:
        _timer(LAST_BREATH, code, "threads left behind")


def _timer(seconds: float, code: int, reason: str) -> threading.Timer:
    def end() -> None:
        _log.warning(reason)
        os._exit(code)

    timer = threading.Timer(seconds, copy_context().run, (end,))
    timer.daemon = True
    timer.start()
    return timer
