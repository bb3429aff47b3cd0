import pytest
from chassis_core.concerns.rate_limit import MemoryLimiter, RateLimit, RateLimitSettings
from chassis_core.concerns.rate_limit.policy import SECOND, Policy, decide, parse, state
from pydantic import ValidationError

FIVE = Policy.of("five", 5, 5)
# One unit a second, five at once: time, cost -> limited, remaining, reset, retry after.
VECTORS = [
    (0, 6, True, 5, 0, -1),
    (0, 1, False, 4, 1, 0),
    (0, 1, False, 3, 2, 0),
    (0, 1, False, 2, 3, 0),
    (0, 1, False, 1, 4, 0),
    (0, 1, False, 0, 5, 0),
    (0, 1, True, 0, 5, 1),
    (3, 1, False, 2, 3, 0),
    (3.1, 1, False, 1, 3.9, 0),
    (4, 1, False, 1, 4, 0),
    (8, 1, False, 4, 1, 0),
    (9.5, 1, False, 4, 1, 0),
    (9.5, 0, False, 4, 1, 0),
    (9.5, 2, False, 2, 3, 0),
    (9.5, 5, True, 2, 3, 3),
    (15, 6, True, 5, 0, -1),
]


def test_the_sixteen_published_vectors_of_gcra_hold() -> None:
    now = 0.0
    limiter = MemoryLimiter(max_keys=100, clock=lambda: int(now * SECOND))
    for now, cost, limited, remaining, reset, retry in VECTORS:
        (decision,) = limiter.hit([FIVE], "key", cost)
        assert decision == (not limited, 5, remaining, reset, retry), (now, cost)


@pytest.mark.parametrize(
    "rates, expected",
    [
        ("5/minute", [("x", 5, 60)]),
        ("50/2 seconds", [("x", 50, 2)]),
        ("10/second; 1000/hour", [("x-second", 10, 1), ("x-hour", 1000, 3600)]),
    ],
)
def test_rates_are_read_as_they_are_spoken(
    rates: str, expected: list[tuple[str, int, int]]
) -> None:
    assert parse(rates, "x") == tuple(Policy.of(*each) for each in expected)


@pytest.mark.parametrize(
    "rates",
    ["", "5", "five/minute", "5/fortnight", "0/second", "5/minute;", "5/day; 6/day", "9/0 seconds"],
)
def test_rates_that_cannot_be_read_stop_the_start_with_the_reason(rates: str) -> None:
    with pytest.raises(ValidationError, match=r"rate|policy"):
        RateLimitSettings(default=rates)


def test_a_request_that_costs_more_than_its_limit_is_refused_when_it_is_written() -> None:
    with pytest.raises(ValueError, match="cost 6 does not fit"):
        RateLimit("5/minute", cost=6)


def test_one_used_up_policy_spends_nothing_of_the_others() -> None:
    hour, second = Policy.of("hour", 10, 3600), Policy.of("second", 1, 1)
    before = decide([hour, second], [0, 0], 1)
    refused = decide([hour, second], [hour.unit, second.unit], 1)
    assert [each.allowed for each in before] == [True, True]
    assert [each.allowed for each in refused] == [True, False]
    assert refused[0].remaining == before[0].remaining == 9


def test_a_rate_that_does_not_divide_is_never_exceeded() -> None:
    third = Policy.of("third", 3, 1)
    decisions = [decide([third], [used * third.unit], 1)[0] for used in range(4)]
    assert [each.allowed for each in decisions] == [True, True, True, False]
    assert third.unit * 3 >= SECOND


def test_the_header_says_how_long_until_one_more_request_fits() -> None:
    policy = Policy.of("p", 5, 60)
    assert state(policy, decide([policy], [0], 0)[0]) == '"p";r=5;t=0'
    assert state(policy, decide([policy], [0], 5)[0]) == '"p";r=0;t=12'
    assert state(policy, decide([policy], [60 * SECOND], 2)[0]) == '"p";r=0;t=24'
