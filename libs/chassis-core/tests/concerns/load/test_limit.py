"""The limit in overload: judged on a clock of its own, window by window."""

import pytest
from chassis_core.concerns.load.limit import (
    CALM_AFTER,
    LEAST,
    OVERLOADED_AFTER,
    PROBE_EVERY,
    WINDOW,
    Limit,
)
from chassis_core.concerns.load.storm import LONGEST_HOLD, STORM_AFTER

USUAL = 0.002


class Judged:
    """A limit and what happens to it in each window."""

    def __init__(self):
        self.seconds = 0.0
        self.limit = Limit(200, slowdown=3, clock=lambda: self.seconds)
        self.pending = 0

    def window(self, *, came, done, slowness=1.0, shed=0, seconds=WINDOW, route="GET /orders"):
        """Let so many requests come, be done, each so many times slower than usual, be shed."""
        window = self.limit.window
        window.came, window.done, window.shed = came, done, shed
        for _ in range(done):
            self.limit.took(route, 200, USUAL * slowness)
        self.pending = max(0, self.pending + came - done - shed)
        self.seconds += seconds
        self.limit.judge(pending=self.pending, in_flight=min(self.pending, int(self.limit.now)))

    def windows(self, seconds, **what):
        for _ in range(round(seconds / WINDOW) + 1):
            self.window(**what)


@pytest.fixture
def judged():
    judged = Judged()
    judged.windows(0.2, came=10, done=10)
    return judged


def overload(judged):
    judged.windows(OVERLOADED_AFTER + WINDOW * 4, came=30, done=10, slowness=12)
    assert judged.limit.overloaded


def test_more_requests_than_are_done_are_overload_and_bound_what_is_let_in(judged):
    overload(judged)
    assert LEAST <= judged.limit.now <= judged.pending * 3 / 12


def test_a_burst_is_no_overload_however_slow_it_is(judged):
    judged.window(came=200, done=10)
    while judged.pending:
        judged.window(came=0, done=10, slowness=20)
    assert not judged.limit.overloaded


def test_more_that_wait_than_may_be_in_work_are_overload_however_they_came(judged):
    while judged.pending <= 200:
        judged.window(came=24, done=20, slowness=40)
    assert judged.limit.overloaded


def test_many_clients_that_wait_for_their_answers_are_no_overload(judged):
    judged.window(came=160, done=10)
    judged.windows(2, came=10, done=10, slowness=40)
    assert not judged.limit.overloaded


def test_a_dependency_that_hangs_is_no_overload_while_others_are_fast(judged):
    judged.windows(2, came=30, done=10, slowness=1.2)
    assert judged.pending > 200
    assert not judged.limit.overloaded


def test_the_limit_follows_how_slow_requests_are(judged):
    overload(judged)
    judged.pending = 0
    judged.windows(0.2, came=30, done=10, shed=20, slowness=1)
    high = judged.limit.now
    assert high < 200
    usual = judged.limit._slowness._usual["GET /orders", 200] / USUAL
    judged.window(came=30, done=10, shed=20, slowness=3.15 * usual)
    assert judged.limit.now == pytest.approx(high * 3 / 3.15)
    judged.window(came=30, done=10, shed=20, slowness=3 * usual)
    assert judged.limit.now == pytest.approx(high * 3 / 3.15)


def test_one_moment_of_noise_moves_it_little(judged):
    overload(judged)
    judged.pending = 0
    judged.windows(0.2, came=30, done=10, shed=20, slowness=1)
    high = judged.limit.now
    assert high < 200
    judged.window(came=30, done=10, shed=20, slowness=100)
    assert judged.limit.now == pytest.approx(high * 0.9)


def test_it_never_falls_so_low_that_nothing_would_be_done(judged):
    overload(judged)
    judged.pending = 0
    lowest = judged.limit.now
    for _ in range(200):
        judged.window(came=30, done=10, shed=20, slowness=judged.limit.now * 10)
        lowest = min(lowest, judged.limit.now)
    assert lowest == LEAST


def test_requests_that_make_each_other_slow_stay_few(judged):
    overload(judged)
    judged.pending = 0
    for _ in range(400):
        judged.window(came=30, done=10, shed=20, slowness=judged.limit.now)
    assert judged.limit.now == pytest.approx(3, rel=0.2)


def test_one_more_that_would_make_all_too_slow_is_only_tried_now_and_then(judged):
    overload(judged)
    judged.pending = 0
    limits = []
    for _ in range(int(6 * PROBE_EVERY / WINDOW)):
        judged.window(came=30, done=10, shed=20, slowness=0.9 * int(judged.limit.now))
        limits.append(int(judged.limit.now))
    settled = limits[limits.index(3) :]
    assert max(settled) == 4
    assert 0 < settled.count(4) < len(settled) / 20


def test_what_is_as_slow_with_next_to_nothing_in_work_is_not_made_slow_by_its_number(judged):
    # The database has become slower, or a neighbour takes the core: to take less does not help.
    overload(judged)
    judged.pending = 0
    for _ in range(400):
        judged.window(came=30, done=10, shed=20, slowness=20 + judged.limit.now)
    assert judged.limit.now == pytest.approx(20 * 2, rel=0.2)


def test_overload_is_over_when_nothing_had_to_be_refused_for_a_while(judged):
    overload(judged)
    judged.pending = 0
    judged.windows(CALM_AFTER / 2, came=10, done=10)
    assert judged.limit.overloaded
    judged.windows(CALM_AFTER, came=10, done=10)
    assert not judged.limit.overloaded
    assert judged.limit.now == 200


def test_requests_that_all_fail_while_some_are_refused_are_overload(judged):
    for _ in range(10):
        judged.limit.window.came = judged.limit.window.done = 10
        judged.limit.window.shed = 5
        judged.seconds += WINDOW
        judged.limit.judge(pending=200, in_flight=200)
    assert judged.limit.overloaded
    assert judged.limit.now == LEAST


def test_some_that_fail_are_not_taken_for_all_that_fail(judged):
    for _ in range(20):
        judged.limit.took("GET /orders", 200, USUAL)
        window = judged.limit.window
        window.came, window.done, window.shed = 10, 10, 5
        judged.seconds += WINDOW
        judged.limit.judge(pending=100, in_flight=100)
    assert not judged.limit.overloaded


def test_callers_who_come_back_at_once_are_held_back_and_no_longer_than_needed(judged):
    overload(judged)
    judged.pending = 0
    assert judged.limit.hold == 0
    judged.windows(1, came=500, done=10, shed=490)
    assert judged.limit.hold == LONGEST_HOLD
    judged.windows(1, came=30, done=10, shed=20)
    assert judged.limit.hold == 0


def test_a_moment_in_which_little_is_done_is_no_storm(judged):
    overload(judged)
    judged.pending = 0
    for _ in range(20):
        judged.windows(STORM_AFTER / 2, came=30, done=1, shed=29)
        judged.window(came=30, done=20, shed=10)
        assert judged.limit.hold == 0


def test_a_new_overload_does_not_begin_with_the_storm_of_the_last(judged):
    overload(judged)
    judged.pending = 0
    judged.windows(2 * CALM_AFTER, came=10, done=10)
    judged.windows(1, came=10, done=10)
    assert not judged.limit.overloaded
    while not judged.limit.overloaded:
        judged.window(came=30, done=10, slowness=40)
    judged.window(came=500, done=10, shed=490)
    assert judged.limit.hold == 0


def test_a_route_is_measured_by_itself_so_that_a_slow_one_is_no_overload(judged):
    for _ in range(20):
        for _ in range(10):
            judged.limit.took("POST /orders", 200, 1.0)
        judged.window(came=30, done=10)
    assert not judged.limit.overloaded


def test_a_route_that_has_become_slower_for_good_is_measured_anew(judged):
    judged.windows(30, came=10, done=10, slowness=5)
    judged.windows(1, came=30, done=10, slowness=5)
    assert judged.pending > 200
    assert not judged.limit.overloaded


def test_what_is_slow_in_overload_is_never_taken_for_usual(judged):
    overload(judged)
    judged.pending = 0
    judged.windows(30, came=30, done=10, shed=20, slowness=3)
    judged.limit.took("GET /orders", 200, USUAL)
    assert judged.limit._slowness._slow == [pytest.approx(1, rel=0.1)]


def test_a_route_is_measured_by_its_faster_work_and_not_by_its_fastest(judged):
    # One in fifty is found in a cache.
    for number in range(2000):
        judged.limit.took("GET /orders", 200, USUAL / 50 if number % 50 == 0 else USUAL)
        judged.window(came=1, done=0)
        judged.pending = 0
    judged.limit.took("GET /orders", 200, USUAL)
    assert judged.limit._slowness._slow[-1] == pytest.approx(1, rel=0.2)


def test_an_answer_that_is_first_given_in_a_flood_is_measured_by_its_route(judged):
    overload(judged)
    judged.limit.took("GET /orders", 429, 8 * USUAL)
    assert judged.limit._slowness._slow[-1] == pytest.approx(8, rel=0.2)


def test_in_calm_it_remembers_no_times_but_the_best(judged):
    judged.windows(5, came=40, done=40)
    assert judged.limit._slowness._slow == []
