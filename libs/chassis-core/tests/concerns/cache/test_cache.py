import asyncio
import time
from typing import Any

import pytest
from chassis_core import compose, context
from chassis_core.concerns.cache import Cache, CacheSettings, cache
from chassis_core.problem import GatewayTimeout, NotFound
from chassis_core.testing import Telemetry, running
from fastapi import APIRouter
from pydantic import BaseModel

TOTAL = "cache_requests_total"


class Profile(BaseModel):
    name: str


class Source:
    """Counts its loads, and holds them back while its gate is shut."""

    def __init__(self) -> None:
        self.loads = 0
        self.value: Any = "value"
        self.gate = asyncio.Event()
        self.gate.set()
        self.began = asyncio.Event()

    async def __call__(self) -> Any:
        self.loads += 1
        value = self.value
        self.began.set()
        await self.gate.wait()
        return value


async def test_a_value_is_loaded_once_and_given_out_as_its_type(make: Any) -> None:
    values, source = make(), Source()
    source.value = Profile(name="Anna")
    for _ in range(3):
        assert await values.get_or_set("anna", 60, Profile, source) == Profile(name="Anna")
    assert source.loads == 1


async def test_two_hundred_that_miss_at_once_cause_one_load(
    make: Any, telemetry: Telemetry
) -> None:
    # A lease longer than the test may take: nobody may be waiting for one to run out.
    values, source = make(lease=600), Source()
    source.gate.clear()
    readers = [
        asyncio.create_task(values.get_or_set("k", 60, str, source, namespace="n"))
        for _ in range(200)
    ]
    await source.began.wait()
    source.gate.set()
    assert set(await asyncio.gather(*readers)) == {"value"}
    assert source.loads == 1
    assert telemetry.sample(TOTAL, namespace="n", outcome="miss") == 1
    shared = [telemetry.sample(TOTAL, namespace="n", outcome=each) or 0 for each in ("wait", "hit")]
    assert sum(shared) == 199


async def test_a_reader_that_gives_up_does_not_take_the_load_from_the_others(make: Any) -> None:
    values, source = make(), Source()
    source.gate.clear()
    first = asyncio.create_task(values.get_or_set("k", 60, str, source))
    await source.began.wait()
    second = asyncio.create_task(values.get_or_set("k", 60, str, source))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    source.gate.set()
    assert await second == "value"
    assert source.loads == 1


async def test_a_failed_load_fails_for_all_who_wait_and_is_tried_again_after(make: Any) -> None:
    values, source = make(), Source()

    async def fail() -> str:
        raise NotFound("no such person")

    for _ in range(2):
        with pytest.raises(NotFound):
            await values.get_or_set("k", 60, str, fail)
    assert await values.get_or_set("k", 60, str, source) == "value"


async def test_a_load_that_ran_out_of_time_is_done_again_for_those_who_have_more(make: Any) -> None:
    values, loads, began = make(), 0, asyncio.Event()

    async def load() -> str:
        nonlocal loads
        loads += 1
        began.set()
        left = context.current().time_left()
        await asyncio.sleep(min(left, 0.3))
        if left < 0.3:
            raise GatewayTimeout
        return "value"

    async def ask(seconds: float) -> str:
        deadline = time.monotonic() + seconds
        context.enter(context.RequestContext("r", deadline=deadline))
        return await values.get_or_set("k", 60, str, load)

    hurried = asyncio.create_task(ask(0.2))
    await began.wait()
    assert await asyncio.gather(ask(60), ask(60)) == ["value", "value"]
    assert isinstance(hurried.exception(), GatewayTimeout)
    assert loads == 2


async def test_an_invalidated_value_is_gone_when_the_call_returns(make: Any) -> None:
    values, source = make(), Source()
    for invalidate in (("n", "k"), ("n", None)):
        source.value = "old"
        await values.invalidate("n")
        await values.get_or_set("k", 60, str, source, namespace="n")
        source.value = "new"
        await values.invalidate(*invalidate)
        assert await values.get_or_set("k", 60, str, source, namespace="n") == "new"


@pytest.mark.parametrize("key", ["k", None])
async def test_a_load_in_flight_does_not_bring_an_invalidated_value_back(
    make: Any, key: str | None
) -> None:
    values, source = make(), Source()
    source.value = "old"
    source.gate.clear()
    reader = asyncio.create_task(values.get_or_set("k", 60, str, source, namespace="n"))
    await source.began.wait()
    source.value = "new"
    await values.invalidate("n", key)
    source.began.clear()
    after = asyncio.create_task(values.get_or_set("k", 60, str, source, namespace="n"))
    await source.began.wait()
    source.gate.set()
    assert await reader == "old"
    assert await after == "new"
    assert await values.get_or_set("k", 60, str, source, namespace="n") == "new"


async def test_invalidating_a_namespace_leaves_the_others(make: Any) -> None:
    values, source = make(), Source()
    await values.get_or_set("k", 60, str, source, namespace="a")
    await values.get_or_set("k", 60, str, source, namespace="b")
    await values.invalidate("a")
    await values.get_or_set("k", 60, str, source, namespace="b")
    assert source.loads == 2


async def test_an_old_value_is_given_out_while_one_loads_it_anew(
    make: Any, telemetry: Telemetry
) -> None:
    values, source = make(jitter=0), Source()
    source.value = "old"
    await values.get_or_set("k", 0.05, str, source, namespace="n", stale=60)
    await asyncio.sleep(0.06)
    source.value = "new"
    source.gate.clear()
    source.began.clear()
    answers = [
        await values.get_or_set("k", 60, str, source, namespace="n", stale=60) for _ in range(5)
    ]
    assert answers == ["old"] * 5
    await source.began.wait()
    source.gate.set()
    async with asyncio.timeout(5):
        while True:
            if await values.get_or_set("k", 60, str, source, namespace="n") == "new":
                break
            await asyncio.sleep(0.01)
    assert source.loads == 2
    assert (telemetry.sample(TOTAL, namespace="n", outcome="stale") or 0) >= 5


async def test_that_there_is_none_is_kept_too_but_not_for_long(make: Any) -> None:
    values, source = make(negative_ttl=0.05, jitter=0), Source()
    source.value = None
    for _ in range(3):
        assert await values.get_or_set("k", 60, str | None, source) is None
    assert source.loads == 1
    await asyncio.sleep(0.06)
    source.value = "there"
    assert await values.get_or_set("k", 60, str | None, source) == "there"


async def test_a_changed_type_does_not_read_the_old_bytes(make: Any) -> None:
    values, source = make(), Source()
    await values.get_or_set("k", 60, str, source)
    source.value = 7
    assert await values.get_or_set("k", 60, int, source) == 7


async def test_a_value_that_is_too_long_is_given_out_and_not_kept(make: Any) -> None:
    values, source = make(max_value=100), Source()
    source.value = "x" * 200
    for _ in range(2):
        assert len(await values.get_or_set("k", 60, str, source)) == 200
    assert source.loads == 2


async def test_a_route_has_the_cache_of_its_app(telemetry: Telemetry) -> None:
    router = APIRouter()
    source = Source()

    @router.get("/value")
    async def value(cache: Cache) -> str:
        got: str = await cache.get_or_set("k", None, str, source)
        return got

    app = compose([cache(CacheSettings(), registry=telemetry.registry)], routers=[router])
    async with running(app) as client:
        assert [(await client.get("/value")).json() for _ in range(2)] == ["value", "value"]
    assert source.loads == 1
    assert telemetry.sample("cache_entries") == 1
    assert telemetry.sample("cache_bytes") == len('"value"')
