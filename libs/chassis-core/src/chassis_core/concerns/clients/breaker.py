"""When to stop asking a service that fails: a breaker for its calls, a budget for its retries."""

import time
from collections.abc import Callable
from typing import Literal

Ticket = Literal["call", "probe"]

WINDOW = 2.5
"""Seconds of one half of the window that the ratio is taken over."""
ENOUGH = 20
"""Calls below which a ratio says nothing."""


class Breaker:
    """Refuses calls to a service that fails, and lets single probes find out when it is back.

    Args:
        failures: in a row, that open it.
        ratio: of failures among recent calls, that opens it.
        open_for: seconds before the first probe, and between probes.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        failures: int,
        ratio: float,
        open_for: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failures = failures
        self._ratio = ratio
        self._open_for = open_for
        self._clock = clock
        self._opened_at: float | None = None
        self._probing = False
        self._recent, self._before = [0, 0], [0, 0]
        self._in_a_row = 0
        self._turned = clock()

    @property
    def state(self) -> int:
        """0 closed, 1 probing, 2 open."""
        return 0 if self._opened_at is None else 1 if self._probing else 2

    def admit(self) -> Ticket | None:
        """Return a ticket to report on, or None when the call must not be made."""
        if self._opened_at is None:
            return "call"
        if self._probing or self.opens_in() > 0:
            return None
        self._probing = True
        return "probe"

    def opens_in(self) -> float:
        """Return the seconds until a probe is let through."""
        return 0 if self._opened_at is None else self._opened_at + self._open_for - self._clock()

    def report(self, ticket: Ticket, *, ok: bool | None) -> None:
        """Say how the call went; None if it was given up and shows nothing."""
        if ticket == "probe":
            self._probing = False
            if ok:
                self._opened_at = None
                self._forget()
        elif self._opened_at is not None or ok is None:
            return
        else:
            self._count(ok=ok)
        if ok is False and (ticket == "probe" or self._bad()):
            self._opened_at = self._clock()

    def _count(self, *, ok: bool) -> None:
        now = self._clock()
        if now - self._turned >= WINDOW:
            self._before = self._recent if now - self._turned < 2 * WINDOW else [0, 0]
            self._recent, self._turned = [0, 0], now
        self._recent[0] += 1
        self._recent[1] += not ok
        self._in_a_row = 0 if ok else self._in_a_row + 1

    def _bad(self) -> bool:
        calls = self._recent[0] + self._before[0]
        failed = self._recent[1] + self._before[1]
        return self._in_a_row >= self._failures or (
            calls >= ENOUGH and failed >= self._ratio * calls
        )

    def _forget(self) -> None:
        self._recent, self._before = [0, 0], [0, 0]
        self._in_a_row = 0
        self._turned = self._clock()


class RetryBudget:
    """Lets retries be a share of the calls: each call earns `ratio` of one, up to ten."""

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio
        self._saved = 1.0 if ratio else 0.0

    def earn(self) -> None:
        """Count a call."""
        self._saved = min(10.0, self._saved + self._ratio)

    def spend(self) -> bool:
        """Take one retry, if one is left."""
        if self._saved < 1:
            return False
        self._saved -= 1
        return True
