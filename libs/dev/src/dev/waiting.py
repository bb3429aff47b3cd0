"""Waits for something to become true, for so long and no longer."""

import time
from collections.abc import Callable
from typing import TypeVar

from dev.console import Trouble

T = TypeVar("T")
STEP = 0.05


def until(value: Callable[[], T | None], seconds: float, otherwise: str, step: float = STEP) -> T:
    """Return the first true value of `value`.

    Raises:
        Trouble: with the text `otherwise`, when `seconds` are over.
    """
    deadline = time.monotonic() + seconds
    while not (found := value()):
        if time.monotonic() > deadline:
            raise Trouble(otherwise)
        time.sleep(step)
    return found
