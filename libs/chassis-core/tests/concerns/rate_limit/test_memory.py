import gc
import time
import tracemalloc

from chassis_core.concerns.rate_limit import MemoryLimiter, Policy
from chassis_core.concerns.rate_limit.policy import SECOND


class Clock:
    def __init__(self) -> None:
        self.now = 1

    def __call__(self) -> int:
        return self.now


def test_a_refused_key_stays_refused_whatever_number_of_others_come() -> None:
    clock, policy = Clock(), Policy.of("p", 2, 60)
    limiter = MemoryLimiter(max_keys=100, clock=clock)
    for _ in range(2):
        limiter.hit([policy], "blocked")
    for i in range(5_000):
        clock.now += 10
        limiter.hit([policy], f"other-{i}")
        if i % 100 == 0:
            assert not limiter.hit([policy], "blocked")[0].allowed
        assert len(limiter) <= 100
    assert not limiter.hit([policy], "blocked")[0].allowed


def test_when_every_key_is_refused_new_ones_share_a_bucket_instead_of_memory() -> None:
    policy = Policy.of("p", 1, 60)
    limiter = MemoryLimiter(max_keys=50, clock=Clock())
    admitted = [limiter.hit([policy], f"key-{i}")[0].allowed for i in range(500)]
    assert sum(admitted) == 51
    assert len(limiter) == 50


def test_keys_are_forgotten_after_two_quiet_windows() -> None:
    clock, policy = Clock(), Policy.of("p", 5, 10)
    limiter = MemoryLimiter(max_keys=100, clock=clock)
    for i in range(100):
        limiter.hit([policy], f"key-{i}")
    for _ in range(2):
        clock.now += 10 * SECOND
        limiter.hit([policy], "one")
    assert len(limiter) == 1


def test_a_key_used_up_just_before_the_generations_turn_is_still_refused_after() -> None:
    clock, policy = Clock(), Policy.of("p", 1, 10)
    limiter = MemoryLimiter(max_keys=100, clock=clock)
    limiter.hit([policy], "other")
    clock.now += 10 * SECOND - 1
    assert limiter.hit([policy], "key")[0].allowed
    for _ in range(9):
        clock.now += SECOND
        assert not limiter.hit([policy], "key")[0].allowed
    clock.now += SECOND
    assert limiter.hit([policy], "key")[0].allowed


def test_the_hundred_thousandth_key_costs_no_more_time_or_memory_than_the_first() -> None:
    policy = Policy.of("p", 5, 3600)
    limiter = MemoryLimiter(max_keys=2_000)
    _flood(limiter, policy, 0, 2_000)
    early = min(_flood(limiter, policy, 2_000 * n, 2_000) for n in range(1, 6))
    gc.collect()
    tracemalloc.start()
    for n in range(6, 45):
        _flood(limiter, policy, 2_000 * n, 2_000)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    late = min(_flood(limiter, policy, 2_000 * n, 2_000) for n in range(45, 50))
    assert len(limiter) <= 2_000
    assert grown < 2_000 * 500
    assert late < early * 3


def _flood(limiter: MemoryLimiter, policy: Policy, start: int, count: int) -> float:
    before = time.perf_counter()
    for i in range(start, start + count):
        limiter.hit([policy], f"ip:{i}")
    return time.perf_counter() - before
