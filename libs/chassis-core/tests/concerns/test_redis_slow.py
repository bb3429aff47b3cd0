"""A Redis that answers, but not in time, and a process that asks too much at once."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from chassis_core.concerns.redis import Redis, RedisBusy, RedisDown, RedisSettings
from chassis_core.testing import Proxy, Telemetry, eventually

pytestmark = pytest.mark.alone

DURATION = "redis_command_duration_seconds_count"


@pytest.fixture
async def proxy(redis_url: str) -> AsyncIterator[Proxy]:
    async with Proxy(urlsplit(redis_url).port or 6379) as proxy:
        yield proxy


async def opened(proxy: Proxy, telemetry: Telemetry, **settings: float) -> Redis:
    url = f"redis://127.0.0.1:{proxy.port}"
    store = Redis(
        RedisSettings(url=url, **settings),  # type: ignore[arg-type]
        registry=telemetry.registry,
    )
    await store.open()
    return store


async def test_a_redis_slower_than_the_timeout_stays_left_alone_until_it_is_fast_again(
    proxy: Proxy, telemetry: Telemetry
) -> None:
    store = await opened(proxy, telemetry, timeout=0.1, recheck=0.3)
    proxy.delay = 0.2
    with pytest.raises(RedisDown):
        await store.execute("GET", "key")
    probes = 0.0

    async def asked() -> bool:
        nonlocal probes
        with pytest.raises(RedisDown):
            await store.execute("GET", "key")
        probes = telemetry.sample(DURATION, command="PING", outcome="timeout") or 0
        return probes >= 3

    # Probes succeed with the time to connect, and still fail as commands: no request pays again.
    await eventually(asked)
    assert telemetry.sample(DURATION, command="GET", outcome="timeout") == 1
    proxy.heal()

    async def back() -> bool:
        try:
            await store.execute("GET", "key")
        except RedisDown:
            return False
        return True

    await eventually(back)
    await store.aclose()


async def test_too_many_commands_at_once_are_refused_without_calling_redis_down(
    proxy: Proxy, telemetry: Telemetry
) -> None:
    store = await opened(proxy, telemetry, timeout=1.0, max_connections=2)
    proxy.delay = 0.4
    answers = await asyncio.gather(
        *(store.execute("GET", "key") for _ in range(20)), return_exceptions=True
    )
    busy = [answer for answer in answers if isinstance(answer, RedisBusy)]
    assert answers.count(None) + len(busy) == 20
    assert answers.count(None) >= 2
    assert len(busy) >= 10
    assert not store.down
    assert telemetry.sample(DURATION, command="GET", outcome="busy") == len(busy)
    assert proxy.connections <= 2 + len(busy)
    await store.aclose()
