"""How a call fails, and the problem that it becomes for our own caller."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2

from chassis_core.problem import BadGateway, GatewayTimeout, Problem, Unavailable

LONGEST_WAIT = 60
"""Seconds of a `Retry-After` that we pass on, whatever the other service asked for."""


class CallFailed(Exception):
    """One attempt gave no usable answer.

    Args:
        problem: what our caller is told.
        outcome: the metric's label: a status or the kind of error.
        again: another attempt may go better.
        after: seconds that the service asked us to wait.
        counts: it is evidence that the service is ill.
    """

    def __init__(
        self,
        problem: Problem,
        outcome: str,
        *,
        again: bool = True,
        after: float = 0,
        counts: bool = True,
    ) -> None:
        super().__init__(problem.text)
        self.problem = problem
        self.outcome = outcome
        self.again = again
        self.after = after
        self.counts = counts


def out_of_time(name: str) -> GatewayTimeout:
    """Return the problem of a call to `name` that no time is left for."""
    return GatewayTimeout(f"{name} did not answer in time")


def known_to_fail(name: str, seconds: float) -> CallFailed:
    """Return the failure of a call that the breaker keeps back for so long."""
    return CallFailed(_unavailable(name, seconds), "open", again=False)


def without_token(name: str) -> CallFailed:
    """Return the failure of a call for which this service could get no token of its own."""
    problem = Unavailable(f"{name} cannot be called now", headers={"Retry-After": "1"})
    return CallFailed(problem, "token", again=False, counts=False)


def crowded(name: str) -> CallFailed:
    """Return the failure of a call that found no place among those in flight."""
    return CallFailed(_unavailable(name, 1), "busy", again=False, counts=False)


def from_error(name: str, error: httpx2.HTTPError) -> CallFailed:
    """Return the failure that an error of the transport is."""
    if isinstance(error, httpx2.PoolTimeout):
        return crowded(name)
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return CallFailed(_unavailable(name, 1), "connect")
    if isinstance(error, httpx2.TimeoutException):
        return CallFailed(out_of_time(name), "timeout")
    return CallFailed(BadGateway(f"{name} gave no usable answer"), "protocol")


def from_status(name: str, response: httpx2.Response) -> CallFailed | None:
    """Return the failure that a response is, None for one that the caller may judge itself."""
    status = response.status_code
    outcome = str(status)
    if 300 <= status < 400 and status != 304:
        redirected = BadGateway(f"{name} answered with a redirect, which is not followed")
        return CallFailed(redirected, outcome, again=False)
    if status in {429, 503}:
        after = _retry_after(response.headers.get("retry-after", ""))
        busy = _unavailable(name, after)
        return CallFailed(busy, outcome, after=after, counts=status == 503)
    if status == 504:
        return CallFailed(out_of_time(name), outcome)
    if status >= 500:
        return CallFailed(BadGateway(f"{name} failed"), outcome, again=status == 502)
    return None


def _unavailable(name: str, seconds: float) -> Unavailable:
    wait = max(1, min(LONGEST_WAIT, math.ceil(seconds)))
    return Unavailable(f"{name} is not available", headers={"Retry-After": str(wait)})


def _retry_after(value: str) -> float:
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        left = parsedate_to_datetime(value) - datetime.now(UTC)
    except (TypeError, ValueError, OverflowError):
        return 0
    return max(0.0, left.total_seconds())
