import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvloop
from chassis_core import compose, context
from chassis_core.concerns.redis import (
    Redis,
    RedisDown,
    RedisFailed,
    RedisRefused,
    RedisSettings,
    redis,
)
from chassis_core.testing import Telemetry, running
from chassis_core.testing.servers import RedisServer
from pydantic import ValidationError

DURATION = "redis_command_duration_seconds_count"


@pytest.fixture
async def store(own_redis: RedisServer, telemetry: Telemetry) -> AsyncIterator[Redis]:
    settings = RedisSettings(url=own_redis.url, recheck=0.2)  # type: ignore[arg-type]
    store = Redis(settings, registry=telemetry.registry)
    await store.open()
    yield store
    await store.aclose()


async def comes_back(store: Redis) -> None:
    async with asyncio.timeout(5):
        while True:
            try:
                await store.ping()
            except RedisDown:
                await asyncio.sleep(0.02)
            else:
                return


async def test_a_killed_redis_fails_at_once_and_is_used_again_when_it_is_back(
    store: Redis, own_redis: RedisServer, telemetry: Telemetry
) -> None:
    await store.execute("SET", "key", "before")
    own_redis.kill()
    with pytest.raises(RedisDown):
        await store.execute("GET", "key")
    assert store.down
    assert telemetry.sample("redis_breaker_open") == 1
    own_redis.start()
    await comes_back(store)
    assert not store.down
    assert telemetry.sample("redis_breaker_open") == 0


async def test_the_end_of_an_outage_belongs_to_no_request(
    store: Redis, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[context.RequestContext | None] = []
    told = logging.getLogger("chassis_core.concerns.redis.client")
    monkeypatch.setattr(told, "info", lambda *_: seen.append(context.current()))
    token = context.enter(context.RequestContext("r-1"))
    own_redis.kill()
    with pytest.raises(RedisDown):
        await store.execute("GET", "key")
    own_redis.start()
    await comes_back(store)
    context.leave(token)
    assert seen == [None]


async def test_a_hung_redis_takes_one_timeout_once_and_then_nothing(
    store: Redis, own_redis: RedisServer, telemetry: Telemetry
) -> None:
    own_redis.pause()
    start = time.perf_counter()
    for _ in range(200):
        with pytest.raises(RedisDown):
            await store.execute("GET", "key")
    held = time.perf_counter() - start
    # The bound is far below 200 timeouts of 0.1 s, and far above one on a busy machine.
    assert held < 2
    assert telemetry.sample(DURATION, command="GET", outcome="timeout") == 1
    own_redis.resume()
    await comes_back(store)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_loop_that_is_late_itself_does_not_take_redis_for_down(
    own_redis: RedisServer, run: Any
) -> None:
    async def ask() -> list[Any]:
        store = Redis(RedisSettings(url=own_redis.url, timeout=1))  # type: ignore[arg-type]
        await store.open()
        await asyncio.gather(*(store.execute("ECHO", str(n)) for n in range(8)))  # they connect
        own_redis.pause()
        asked = [asyncio.create_task(store.execute("ECHO", str(n))) for n in range(8)]
        for _ in range(10):  # turns in which they are sent
            await asyncio.sleep(0)
        own_redis.resume()
        time.sleep(1.2)  # noqa: ASYNC251 - a handler holds the loop while Redis answers
        answers = await asyncio.gather(*asked, return_exceptions=True)
        await store.aclose()
        return [*answers, store.down]

    assert run(ask()) == [*(str(n).encode() for n in range(8)), False]


async def test_commands_in_flight_when_redis_hangs_all_end_in_about_one_timeout(
    store: Redis, own_redis: RedisServer
) -> None:
    own_redis.pause()
    start = time.perf_counter()
    answers = await asyncio.gather(
        *(store.execute("GET", "key") for _ in range(100)), return_exceptions=True
    )
    assert all(isinstance(each, RedisFailed) for each in answers)
    assert time.perf_counter() - start < 1


async def test_a_late_answer_is_never_read_by_another_command(store: Redis) -> None:
    for i in range(20):
        await store.execute("SET", f"key-{i}", str(i))
    read = []
    for i in range(200):
        task = asyncio.create_task(store.execute("GET", f"key-{i % 20}"))
        for _ in range(i % 7):
            await asyncio.sleep(0)
        task.cancel()
        answers = await asyncio.gather(
            task, *(store.execute("GET", f"key-{k}") for k in range(3)), return_exceptions=True
        )
        read += zip(answers[1:], [b"0", b"1", b"2"], strict=True)
    # A machine that does other things may let a command take too long: that is no wrong answer.
    answered = [(found, own) for found, own in read if isinstance(found, bytes)]
    assert len(answered) > len(read) / 2
    assert all(found == own for found, own in answered)


async def test_a_refused_command_is_an_error_that_does_not_make_redis_down(store: Redis) -> None:
    await store.execute("SET", "text", "x")
    with pytest.raises(RedisRefused):
        await store.execute("LPUSH", "text", "y")
    assert not store.down


async def test_a_redis_that_is_up_and_refuses_is_not_said_to_be_down(store: Redis) -> None:
    with pytest.raises(RedisFailed) as caught:
        await store.execute("NOSUCHCOMMAND")
    assert not isinstance(caught.value, RedisDown)


async def test_a_service_starts_without_its_redis_and_says_that_it_is_degraded() -> None:
    settings = RedisSettings(url="redis://:hunter2@127.0.0.1:1/0")  # type: ignore[arg-type]
    concern = redis(settings)
    assert concern.optional
    assert concern.ready is not None
    async with running(compose([concern])):
        with pytest.raises(RedisDown) as caught:
            await concern.ready()
    assert "hunter2" not in f"{settings!r} {caught.value!r}"


@pytest.mark.parametrize("url", ["s3cr3t", "redis://:s3cr3t@h:x", "http://:s3cr3t@h"])
def test_a_wrong_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValidationError, match="must look like redis://") as failure:
        RedisSettings.model_validate({"url": url})
    assert "s3cr3t" not in str(failure.value.errors(include_input=False))


def test_an_empty_url_is_none() -> None:
    assert RedisSettings.model_validate({"url": ""}).url is None


async def test_without_a_url_there_is_no_client_and_nothing_to_be_ready() -> None:
    store = Redis(RedisSettings())
    assert store.client is None
    assert redis(RedisSettings(), store=store).ready is None
    with pytest.raises(RedisDown, match="no Redis is configured"):
        await store.execute("GET", "key")


async def test_a_command_has_a_span_only_within_a_recorded_one(
    own_redis: RedisServer, telemetry: Telemetry
) -> None:
    tracer = telemetry.provider.get_tracer("test")
    store = Redis(RedisSettings(url=own_redis.url), tracer=tracer)  # type: ignore[arg-type]
    await store.ping()
    with tracer.start_as_current_span("parent") as parent:
        await store.execute("GET", "a-secret-key")
    await store.aclose()
    child = telemetry.spans[0]
    assert [span.name for span in telemetry.spans] == ["GET", "parent"]
    assert child.parent is not None
    assert child.parent.span_id == parent.get_span_context().span_id
    assert "a-secret-key" not in str(child.attributes)
