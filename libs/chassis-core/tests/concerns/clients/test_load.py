"""What calls to a failing service cost: it, us, and the calls to others."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from chassis_core.concerns.clients import ClientSettings, ServiceClient
from chassis_core.concerns.clients.breaker import Breaker
from chassis_core.concerns.clients.metrics import ClientMetrics
from chassis_core.problem import Problem, Unavailable
from chassis_core.testing import Telemetry, eventually
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.alone

DURATION = "http_client_request_duration_seconds_count"


@pytest.fixture
async def make(upstream: Any, telemetry: Telemetry) -> AsyncIterator[Any]:
    made: list[ServiceClient] = []

    def build(**settings: Any) -> ServiceClient:
        metrics = ClientMetrics(telemetry.registry)
        given = ClientSettings(url=upstream.url, **settings)
        made.append(ServiceClient("users", given, metrics=metrics))
        return made[-1]

    yield build
    for one in made:
        await one.aclose()


def sometimes(every: int) -> Any:
    """Answer 502 to one of `every` requests, 200 to the others."""
    count = 0

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        line = b"502 Bad" if count % every == 0 else b"200 OK"
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}" % line)
        await writer.drain()

    return answer


@pytest.mark.parametrize("every", [2, 3, 10, 50])
async def test_retries_add_a_tenth_to_the_load_at_most_however_often_the_service_fails(
    upstream: Any, make: Any, every: int
) -> None:
    users = make(attempts=3, backoff=0, breaker_failures=10_000, breaker_ratio=1)
    upstream.behaviour = sometimes(every)
    calls, failed = 300, 0
    for _ in range(calls):
        try:
            await users.get("/x")
        except Problem:
            failed += 1
    extra = len(upstream.requests) / calls - 1
    print(f"1 of {every} fails: {extra:.1%} extra load, {failed} of {calls} calls failed")
    assert extra <= 0.1 + 1 / calls
    assert failed < calls / every  # and they were of use


@pytest.mark.parametrize("asked", [3, 2])
async def test_a_call_is_never_more_than_three_attempts(
    upstream: Any, make: Any, asked: int
) -> None:
    upstream.behaviour = sometimes(1)
    with pytest.raises(Problem):
        await make(attempts=asked, backoff=0, retry_ratio=1, breaker_failures=100).get("/x")
    assert len(upstream.requests) <= asked <= 3


async def test_a_service_that_hangs_holds_its_places_and_not_more(
    upstream: Any, make: Any, telemetry: Telemetry
) -> None:
    users = make(max_in_flight=5, connect_timeout=0.05, attempts=1, timeout=30, attempt_timeout=30)
    release = asyncio.Event()

    async def held(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    upstream.behaviour = held
    calls = [asyncio.create_task(users.get("/x")) for _ in range(20)]
    await eventually(
        lambda: sum(call.done() for call in calls) == 15 and len(upstream.requests) == 5
    )
    assert telemetry.sample("http_client_in_flight", server="users") == 5
    assert telemetry.sample(DURATION, server="users", method="GET", outcome="busy") == 15
    release.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, Unavailable) for answer in answers) == 15
    assert len(upstream.requests) == 5
    # Being busy here says nothing about the service: the breaker stays closed, the places return.
    assert telemetry.sample("http_client_breaker_state", server="users") == 0
    assert telemetry.sample("http_client_in_flight", server="users") == 0
    assert (await users.get("/x")).status_code == 200


async def test_callers_that_give_up_give_their_places_back(
    upstream: Any, make: Any, telemetry: Telemetry
) -> None:
    users = make(max_in_flight=2, connect_timeout=5, timeout=30, attempt_timeout=30)
    began, release = asyncio.Event(), asyncio.Event()

    async def held(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began.set()
        await release.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    upstream.behaviour = held
    for _ in range(5):
        calls = [asyncio.create_task(users.get("/x")) for _ in range(4)]
        await began.wait()
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    release.set()
    assert telemetry.sample("http_client_in_flight", server="users") == 0
    assert (await users.get("/x")).status_code == 200


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


steps = st.lists(
    st.tuples(st.sampled_from(["ask", "ok", "fail", "lost"]), st.floats(0, 3)), max_size=80
)


@given(steps)
def test_while_it_is_not_closed_one_probe_is_out_at_most_and_none_before_its_time(
    steps: list[tuple[str, float]],
) -> None:
    clock = Clock()
    breaker = Breaker(failures=3, ratio=0.5, open_for=2, clock=clock)
    out: list[Any] = []
    opened = None
    for what, pause in steps:
        clock.now += pause
        before = breaker.state
        if what == "ask" and (ticket := breaker.admit()):
            out.append(ticket)
            assert ticket == ("call" if before == 0 else "probe")
            if ticket == "probe":
                assert opened is not None
                assert clock.now >= opened + 2
        elif what != "ask" and out:
            breaker.report(out.pop(0), ok={"ok": True, "fail": False, "lost": None}[what])
        assert out.count("probe") <= 1
        if before != 2 and breaker.state == 2:
            opened = clock.now
