"""Storms: callers who come back the moment they are refused."""

STORM = 8
"""Refusals for each request done that take too much of the core: they leave no time for anything
else."""
STORM_AFTER = 0.2
"""Seconds for which that must hold: moments in which little is done are none."""
LONGEST_HOLD = 0.5
"""Seconds for which a refusal is held back in a storm at most: a connection is held with it, and a
caller who does not wait for answers opens another."""


class Storm:
    """How long refusals are held back, so that those who come back at once come back later."""

    def __init__(self, now: float) -> None:
        self.hold = 0.0
        """Seconds for which a refusal is held back."""
        self._since = now

    def judge(self, *, shed: int, done: int, now: float) -> None:
        """Set `hold` by what has happened since the last judgement."""
        if shed <= STORM * max(1, done):
            self._since = now
        if now - self._since >= STORM_AFTER:
            self.hold = min(LONGEST_HOLD, max(0.02, self.hold * 1.5))
        else:
            self.hold = self.hold * 0.9 if self.hold > 0.01 else 0.0
