"""The life of the platform in a command: one at a time, and told to stop by a signal."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dev.platform import Platform
from dev.state import State

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def opened(state: State, told: Callable[[str], None], *, reset: bool = False) -> Iterator[Platform]:
    """Claim the folder, start the platform in it, write the record; undo it all at the end.

    SIGTERM and SIGHUP become `KeyboardInterrupt`, as Ctrl-C is, until the platform is told to stop.
    """
    for number in _STOPPING:
        signal.signal(number, signal.default_int_handler)
    state.claim()
    try:
        if reset:
            state.forget()
        for log in state.log("").parent.glob("*.log"):
            log.unlink()
        with Platform(state, os.environ, told) as platform:
            state.record(**platform.record())
            try:
                yield platform
            finally:
                for number in _STOPPING:
                    signal.signal(number, signal.SIG_IGN)
    finally:
        state.release()
