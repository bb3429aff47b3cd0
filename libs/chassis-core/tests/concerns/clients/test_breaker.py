import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from chassis_core.concerns.clients import ClientSettings, ServiceClient
from chassis_core.concerns.clients.breaker import Breaker, RetryBudget
from chassis_core.concerns.clients.metrics import ClientMetrics
from chassis_core.problem import BadGateway, Problem, Unavailable
from chassis_core.testing import Telemetry
from hypothesis import given
from hypothesis import strategies as st


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def breaker(clock: Clock) -> Breaker:
    return Breaker(failures=3, ratio=0.5, open_for=2, clock=clock)


def fail(one: Breaker, times: int) -> None:
    for _ in range(times):
        one.report("call", ok=False)


def test_failures_in_a_row_open_it_and_one_probe_that_succeeds_closes_it() -> None:
    clock = Clock()
    one = breaker(clock)
    fail(one, 2)
    assert one.admit() == "call"
    fail(one, 1)
    assert one.admit() is None
    clock.now = 2
    assert [one.admit(), one.admit()] == ["probe", None]
    one.report("probe", ok=True)
    assert one.admit() == "call"
    assert one.state == 0


def test_half_the_calls_failing_opens_it_even_if_never_in_a_row() -> None:
    one = breaker(Clock())
    for _ in range(10):
        one.report("call", ok=True)
        one.report("call", ok=False)
    assert one.admit() is None


def test_old_failures_are_forgotten() -> None:
    clock = Clock()
    one = breaker(clock)
    for i in range(100):
        clock.now += 1
        one.report("call", ok=i % 3 != 0)
    assert one.state == 0


def test_a_probe_that_is_given_up_lets_another_go() -> None:
    clock = Clock()
    one = breaker(clock)
    fail(one, 3)
    clock.now = 2
    assert one.admit() == "probe"
    one.report("probe", ok=None)
    assert one.admit() == "probe"
    one.report("probe", ok=False)
    assert one.admit() is None


@given(st.lists(st.tuples(st.floats(0, 3), st.sampled_from([True, False, None])), max_size=60))
def test_there_is_never_more_than_one_probe(steps: list[tuple[float, bool | None]]) -> None:
    clock = Clock()
    one = breaker(clock)
    fail(one, 3)
    probing: list[bool | None] = []
    for pause, result in steps:
        clock.now += pause
        ticket = one.admit()
        if ticket == "probe":
            probing.append(result)
        assert len(probing) <= 1
        if probing and pause > 1:
            one.report("probe", ok=probing.pop())
        elif ticket == "call":
            one.report("call", ok=result)


def test_retries_never_exceed_a_tenth_of_the_calls() -> None:
    budget, granted = RetryBudget(0.1), 0
    for _ in range(1000):
        budget.earn()
        granted += budget.spend()
    assert 99 <= granted <= 101


@pytest.fixture
async def users(upstream: Any, telemetry: Telemetry) -> AsyncIterator[ServiceClient]:
    settings = ClientSettings(url=upstream.url, breaker_open=0.2, backoff=0)
    one = ServiceClient("users", settings, metrics=ClientMetrics(telemetry.registry))
    yield one
    await one.aclose()


def failing(status: bytes, times: int, *headers: bytes) -> Any:
    left = [times]

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left[0] -= 1
        line = b"200 OK" if left[0] < 0 else status
        lines = [b"HTTP/1.1 " + line, b"Content-Length: 2", b"Connection: close", *headers]
        writer.write(b"\r\n".join(lines) + b"\r\n\r\n{}")
        await writer.drain()

    return answer


async def test_a_safe_call_is_tried_again(upstream: Any, users: ServiceClient) -> None:
    upstream.behaviour = failing(b"502 Bad", 1)
    assert (await users.get("/x")).status_code == 200
    assert len(upstream.requests) == 2


async def test_a_post_is_tried_again_only_with_an_idempotency_key(
    upstream: Any, users: ServiceClient
) -> None:
    upstream.behaviour = failing(b"502 Bad", 1)
    with pytest.raises(BadGateway):
        await users.post("/x", json={"a": 1})
    assert len(upstream.requests) == 1
    upstream.behaviour = failing(b"502 Bad", 1)
    await users.post("/x", json={"a": 1}, headers={"Idempotency-Key": "k"})
    assert len(upstream.requests) == 3


async def test_a_retry_waits_as_asked_or_is_not_made(upstream: Any, users: ServiceClient) -> None:
    upstream.behaviour = failing(b"503 Busy", 1, b"Retry-After: 30")
    with pytest.raises(Unavailable) as caught:
        await users.get("/x")
    assert (caught.value.headers or {})["Retry-After"] == "30"
    assert len(upstream.requests) == 1


async def test_an_outage_adds_no_more_than_a_tenth_and_ends_with_one_probe(
    upstream: Any, users: ServiceClient, telemetry: Telemetry
) -> None:
    upstream.behaviour = failing(b"502 Bad", 1_000_000)
    for _ in range(100):
        with pytest.raises(Problem):
            await users.get("/x")
    assert len(upstream.requests) <= 7
    name = "http_client_breaker_state"
    assert telemetry.sample(name, server="users") == 2
    upstream.behaviour = failing(b"502 Bad", 0)
    async with asyncio.timeout(10):
        while True:
            try:
                await users.get("/x")
            except Unavailable:
                await asyncio.sleep(0.02)
            else:
                break
    assert telemetry.sample(name, server="users") == 0
    assert telemetry.sample(
        "http_client_request_duration_seconds_count", server="users", method="GET", outcome="open"
    )
