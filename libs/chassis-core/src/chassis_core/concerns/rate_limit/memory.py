"""The limiter of one process: no I/O, constant time a hit, bounded memory."""

import time
from collections.abc import Callable, Sequence

from chassis_core.concerns.rate_limit.policy import Decision, Policy, decide, decide_one


def monotonic() -> int:
    """Return microseconds that never go back."""
    return time.monotonic_ns() // 1000


class MemoryLimiter:
    """GCRA over dicts in this process, on the monotonic clock.

    Args:
        max_keys: keys of one policy that are remembered. Beyond it keys with quota left are
            forgotten first; a key that is refused now never is, and a new one shares a bucket
            with others if all are.
        clock: microseconds that never go back.
    """

    def __init__(self, *, max_keys: int, clock: Callable[[], int] = monotonic) -> None:
        self._max_keys = max_keys
        self._clock = clock
        self._buckets: dict[str, _Buckets] = {}

    def __len__(self) -> int:
        """Return the number of keys that are remembered, over all policies."""
        return sum(len(buckets) for buckets in self._buckets.values())

    def hit(self, policies: Sequence[Policy], key: str, cost: int = 1) -> tuple[Decision, ...]:
        """Use `cost` units of `key` under every policy if all allow it, and say what each says."""
        now = self._clock()
        if len(policies) == 1:
            return (self._hit_one(policies[0], key, cost, now),)
        owners = [self._of(policy, now) for policy in policies]
        ahead = [owner.ahead(key, now) for owner in owners]
        decisions = decide(policies, ahead, cost)
        if all(decision.allowed for decision in decisions):
            for owner, used in zip(owners, ahead, strict=True):
                owner.put(key, now + used + cost * owner.policy.unit, now)
        return decisions

    def _hit_one(self, policy: Policy, key: str, cost: int, now: int) -> Decision:
        owner = self._of(policy, now)
        ahead = owner.ahead(key, now)
        decision = decide_one(policy, ahead, cost)
        if decision.allowed:
            owner.put(key, now + ahead + cost * policy.unit, now)
        return decision

    def _of(self, policy: Policy, now: int) -> "_Buckets":
        if (buckets := self._buckets.get(policy.field)) is None:
            buckets = self._buckets[policy.field] = _Buckets(policy, self._max_keys, now)
        elif now >= buckets.turned + policy.window:
            buckets.turn(now)
        return buckets


class _Buckets:
    """The theoretical arrival time of each key of one policy, in two generations.

    What was not touched for a whole window is whole again, so a generation that old is dropped
    without a look at its keys; its memory is given back a little with each hit.
    """

    __slots__ = ("_fresh", "_max_keys", "_old", "_overflow", "_waste", "policy", "turned")

    def __init__(self, policy: Policy, max_keys: int, now: int) -> None:
        self.policy = policy
        self._max_keys = max_keys
        self._fresh: dict[str, int] = {}
        self._old: dict[str, int] = {}
        self._waste: dict[str, int] = {}
        self._overflow = 0
        self.turned = now

    def __len__(self) -> int:
        return len(self._fresh) + len(self._old)

    def ahead(self, key: str, now: int) -> int:
        """Return the microseconds until `key` is whole."""
        if self._waste:
            self._give_back()
        arrival = self._fresh.get(key)
        if arrival is None:
            arrival = self._old.get(key)
            if arrival is None and self._full(now):
                arrival = self._overflow
        return 0 if arrival is None or arrival <= now else arrival - now

    def put(self, key: str, arrival: int, now: int) -> None:
        """Remember when `key` is whole."""
        if key not in self._fresh and self._old.pop(key, None) is None and self._full(now):
            self._overflow = arrival
        else:
            self._fresh[key] = arrival

    def turn(self, now: int) -> None:
        """Begin a new generation; the one before the last is dropped."""
        self._waste, self._old, self._fresh = self._old, self._fresh, {}
        self.turned = now

    def _full(self, now: int) -> bool:
        if len(self) < self._max_keys:
            return False
        if not self._old:
            self.turn(now)
        for _ in range(min(4, len(self._old))):
            key, arrival = self._old.popitem()
            if arrival - now + self.policy.unit <= self.policy.window:
                return False
            self._fresh[key] = arrival
        return True

    def _give_back(self) -> None:
        for _ in range(min(4, len(self._waste))):
            self._waste.popitem()
