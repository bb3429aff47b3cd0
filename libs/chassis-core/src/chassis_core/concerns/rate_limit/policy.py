"""Policies and the arithmetic of GCRA: what a limit allows, and what it answers."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

SECOND = 1_000_000
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_RATE = re.compile(r"\s*(\d+)\s*/\s*((\d*)\s*(second|minute|hour|day)s?)\s*")


@dataclass(frozen=True, slots=True)
class Policy:
    """At most `limit` at once and `limit` in a `window`, spread by the generic cell rate algorithm.

    Times are whole microseconds: both stores then compute the same answers exactly. The time one
    unit costs is rounded up, so a limit is never exceeded.

    Attributes:
        name: the bucket, the header's policy name and the metric's label.
        limit: units that may be used at once.
        window: microseconds in which a used-up limit is whole again.
        unit: microseconds that one unit takes to come back.
        field: its member of `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11 §3).
    """

    name: str
    limit: int
    window: int
    unit: int
    field: str

    @classmethod
    def of(cls, name: str, limit: int, seconds: int) -> "Policy":
        """Return the policy of `limit` units in `seconds`.

        Raises:
            ValueError: no unit is allowed, or more than 100,000 a second are.
        """
        unit = -(-seconds * SECOND // limit) if limit > 0 else 0
        if unit < 10:
            raise ValueError(f"policy {name!r}: from 1 to 100000 a second, not {limit}/{seconds} s")
        return cls(name, limit, unit * limit, unit, f'"{name}";q={limit};w={seconds}')

    def shared_by(self, replicas: int) -> "Policy":
        """Return this policy's share of one replica, at least one unit."""
        return Policy.of(self.name, max(1, self.limit // replicas), self.window // SECOND)


class Decision(NamedTuple):
    """What a policy says to one request.

    Attributes:
        allowed: the policy itself lets it through.
        limit: units that may be used at once.
        remaining: units left now.
        reset: seconds until all units are back.
        retry_after: seconds until this request would be allowed; 0 if it was, -1 if never.
    """

    allowed: bool
    limit: int
    remaining: int
    reset: float
    retry_after: float


def parse(rates: str, name: str) -> tuple[Policy, ...]:
    """Return the policies that `rates` writes, such as `10/second; 1000/hour` or `50/2 minutes`.

    One keeps the `name`; of several, each adds its window to it.

    Raises:
        ValueError: a rate cannot be read, or two have the same window.
    """
    matches = [_RATE.fullmatch(rate) for rate in rates.split(";")]
    policies = []
    for rate, match in zip(rates.split(";"), matches, strict=True):
        if match is None:
            raise ValueError(f"rate {rate.strip()!r} is not like '5/minute' or '50/2 minutes'")
        limit, window, count, unit = match.groups()
        own = name if len(matches) == 1 else f"{name}-{window.replace(' ', '')}"
        policies.append(Policy.of(own, int(limit), int(count or 1) * _UNITS[unit]))
    if len({policy.name for policy in policies}) < len(policies):
        raise ValueError(f"rates {rates!r} name one window twice")
    return tuple(policies)


def decide(policies: Sequence[Policy], ahead: Sequence[int], cost: int) -> tuple[Decision, ...]:
    """Return what the policies answer to a request of `cost` units.

    Args:
        policies: all that apply; the request passes only if every one allows it.
        ahead: for each, the microseconds until it is whole, before this request.
        cost: units that the request uses of each.
    """
    pairs = list(zip(policies, ahead, strict=True))
    fits = all(before + cost * policy.unit <= policy.window for policy, before in pairs)
    return tuple([decide_one(policy, before, cost, fits) for policy, before in pairs])


def decide_one(policy: Policy, ahead: int, cost: int, fits: bool = True) -> Decision:
    """Return what one policy answers; the units are used if the others' quotas `fits` too."""
    window, need = policy.window, cost * policy.unit
    if ahead + need > window:
        retry = (ahead + need - window) / SECOND if need <= window else -1.0
        return Decision(False, policy.limit, (window - ahead) // policy.unit, ahead / SECOND, retry)
    if fits:
        ahead += need
    return Decision(True, policy.limit, (window - ahead) // policy.unit, ahead / SECOND, 0.0)


def state(policy: Policy, decision: Decision) -> str:
    """Return the policy's member of `RateLimit` (same draft, §4): units left, seconds until more.

    After those seconds there is one more unit, or enough of them if the request was refused.
    """
    allowed, limit, remaining, reset, wait = decision
    if allowed and remaining < limit:
        wait = reset - (limit - remaining - 1) * policy.unit / SECOND
    return f'"{policy.name}";r={remaining};t={math.ceil(wait)}'


def retry_after(decisions: Sequence[Decision]) -> int:
    """Return the whole seconds after which a refused request is let through, at least 1."""
    return max(1, math.ceil(max(decision.retry_after for decision in decisions)))
