"""A caller with 300 ms, and two services behind one another that would take far longer."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated

import httpx2
import pytest
from chassis_core import ServiceSettings, create_app
from chassis_core.concerns.clients import ServiceClient, client
from chassis_core.testing import Telemetry
from chassis_core.testing.listener import listening
from fastapi import APIRouter, Depends, Header
from opentelemetry.sdk.trace import ReadableSpan
from pydantic_settings import SettingsConfigDict

pytestmark = pytest.mark.alone

BUDGET = 0.3
LATE = 0.25
"""Seconds that a busy machine may take to cancel what is over: no more than the budget itself."""


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="CHAIN_")


class Work:
    """Counts the steps of a handler that would go on for ever, and the time it was given."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.given: list[int] = []

    async def on(self) -> None:
        while True:
            self.steps.append(time.monotonic())
            await asyncio.sleep(0.005)


Users = Annotated[ServiceClient, Depends(client("users"))]
Given = Annotated[int, Header(alias="x-request-deadline-ms")]


def users(work: Work) -> APIRouter:
    router = APIRouter()

    @router.get("/endless")
    async def endless(given: Given) -> None:
        work.given.append(given)
        await work.on()

    return router


def orders(work: Work) -> APIRouter:
    router = APIRouter()

    @router.get("/at-once")
    async def at_once(users: Users) -> None:
        await users.get("/endless")

    @router.get("/after-some-work")
    async def after_some_work(users: Users) -> None:
        await asyncio.sleep(0.1)
        await users.get("/endless")

    @router.get("/too-late")
    async def too_late(users: Users) -> None:
        try:
            await work.on()
        finally:
            await users.get("/endless")

    return router


class Chain:
    """Orders and users on sockets of their own, what they worked, and their spans."""

    def __init__(self, url: str, works: tuple[Work, Work], spans: tuple[Telemetry, ...]) -> None:
        self.url = url
        self.orders, self.users = works
        self._telemetry = spans

    async def call(self, path: str) -> tuple[int, float]:
        """Call with 300 ms; return the status and the moment in which they were over."""
        headers = {"X-Request-Deadline-Ms": str(int(BUDGET * 1000))}
        async with httpx2.AsyncClient(timeout=30) as http:
            over = time.monotonic() + BUDGET
            answer = await http.get(self.url + path, headers=headers)
        await asyncio.sleep(0.3)  # whatever still works, works now
        return answer.status_code, over

    def spans(self) -> list[ReadableSpan]:
        return [span for telemetry in self._telemetry for span in telemetry.spans]


@pytest.fixture
async def chain() -> AsyncIterator[Chain]:
    work, telemetry = (Work(), Work()), (Telemetry(), Telemetry())
    app = create_app(Settings(name="users"), routers=[users(work[1])], **telemetry[1].shared())
    async with listening(app) as behind:
        settings = Settings(
            name="orders",
            clients={"users": {"url": f"http://127.0.0.1:{behind.port}", "timeout": 20}},  # type: ignore[dict-item]
        )
        app = create_app(settings, routers=[orders(work[0])], **telemetry[0].shared())
        async with listening(app) as front:
            yield Chain(f"http://127.0.0.1:{front.port}", work, telemetry)


@pytest.mark.parametrize("path, most", [("/at-once", 300), ("/after-some-work", 200)])
async def test_nothing_works_on_after_the_deadline_of_the_first_caller(
    chain: Chain, path: str, most: int
) -> None:
    status, over = await chain.call(path)
    assert status == 504
    assert chain.users.steps
    late = chain.users.steps[-1] - over
    spans = chain.spans()
    starts = min(span.start_time or 0 for span in spans)
    longest = max((span.end_time or 0) - starts for span in spans) / 1e9
    print(f"{path}: users was given {chain.users.given} ms, its last step was {late * 1000:.0f} ms")
    print(f"after the deadline; the last of {len(spans)} spans ended after {longest * 1000:.0f} ms")
    assert late < LATE
    assert longest < BUDGET + LATE
    assert len(spans) >= 3
    # One attempt, with no more time than was left.
    assert len(chain.users.given) == 1
    assert 0 < chain.users.given[0] <= most


async def test_a_service_whose_time_is_over_does_not_even_ask_the_next_one(chain: Chain) -> None:
    status, over = await chain.call("/too-late")
    assert status == 504
    assert chain.orders.steps[-1] - over < LATE
    assert chain.users.given == []


async def test_a_deadline_that_has_passed_is_answered_without_any_work(chain: Chain) -> None:
    async with httpx2.AsyncClient(timeout=30) as http:
        for gone in ("0", "-5"):
            headers = {"X-Request-Deadline-Ms": gone}
            answer = await http.get(f"{chain.url}/at-once", headers=headers)
            assert answer.status_code == 504
    assert chain.users.given == []
