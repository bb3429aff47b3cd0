"""How far a setting of a standard concern may go before it guards nothing."""

from dataclasses import dataclass
from math import inf

from chassis_core.concerns.rate_limit.policy import SECOND, parse

_FLOOD = 10_000


@dataclass(frozen=True, slots=True)
class Bound:
    """The range of a number.

    Attributes:
        section: the concern.
        field: its setting.
        says: the range, and why it ends there.
        least: the smallest number in it.
        most: the largest.
    """

    section: str
    field: str
    says: str
    least: float = -inf
    most: float = inf

    def fits(self, value: float) -> bool:
        """Return whether a value is in the range."""
        return self.least <= value <= self.most


BOUNDS = (
    Bound("body_limit", "max_bytes", "16 MiB at most: bodies share the memory", most=16_777_216),
    Bound("body_limit", "max_json_depth", "512 at most: a deeper one fills the stack", most=512),
    Bound("deadline", "timeout", "60 s at most: proxies wait no longer", most=60),
    Bound("load", "max_concurrency", "2000 at most: more are not done in time", most=2000),
    Bound("auth", "max_lifetime", "a day at most: tokens cannot be recalled", most=86_400),
    Bound("auth", "leeway", "120 s at most: clocks differ by less", most=120),
    Bound("security_headers", "hsts_max_age", "a day at least: browsers forget it", least=86_400),
    Bound("server", "header_timeout", "30 s at most: slow clients hold connections", most=30),
    Bound("server", "body_timeout", "60 s at most: slow clients hold connections", most=60),
    Bound("server", "max_headers", "500 at most: browsers send thirty", most=500),
    Bound("server", "max_header_bytes", "64 KiB at most: tokens are smaller", most=65_536),
    Bound("server", "max_pipelined", "1000 at most: those that wait share the memory", most=1000),
    # PostgreSQL counts milliseconds: what is less than one is 0, and 0 is no limit.
    Bound("database", "statement_timeout", "1 ms to 30 s: 0 is no limit", least=0.001, most=30),
    Bound("database", "pool_timeout", "5 s at most: beyond it load is not shed", most=5),
)
"""For `chassis check`, which reads what is written, and for the promises, which ask the app."""


def is_limit(rates: str) -> bool:
    """Return whether rates such as `10/second; 1000/hour` are a limit that somebody meets."""
    try:
        return any(policy.unit >= SECOND // _FLOOD for policy in parse(rates, "default"))
    except ValueError:
        return False
