"""A key set over the network: rotation, floods of unknown keys, start without the issuer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from chassis_core.concerns.auth import Jwks, KeysUnavailable
from chassis_core.testing.issuer import Issuer
from prometheus_client import CollectorRegistry

QUICK = {"jwks_ttl": 1.0, "jwks_cooldown": 0.1, "jwks_timeout": 0.5, "jwks_wait": 0.3}


async def until(holds: Callable[[], Awaitable[bool]], *, within: float = 5.0) -> None:
    deadline = time.monotonic() + within
    while not await holds():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.02)


def status_is(world: Any, token: str, status: int) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        return bool((await world.get(token)).status_code == status)

    return holds


async def test_a_new_key_is_accepted_at_its_first_token(open_world: Any, issuer: Issuer) -> None:
    async with open_world(issuer, issuer.settings(jwks_cooldown=0.1)) as world:
        old = issuer.token()
        assert (await world.get(old)).status_code == 200
        await asyncio.sleep(0.1)  # the cool-down itself
        issuer.rotate()
        assert (await world.get(issuer.token())).status_code == 200
        assert (await world.get(old)).status_code == 200
        assert issuer.fetches == 2


async def test_200_unknown_keys_cost_two_fetches_at_most(open_world: Any, issuer: Issuer) -> None:
    async with open_world(issuer, issuer.settings()) as world:
        forged = [issuer.token(header={"kid": f"unknown-{n}"}) for n in range(200)]
        answers = [await world.get(token) for token in forged[:100]]
        answers += await asyncio.gather(*(world.get(token) for token in forged[100:]))
        assert {answer.status_code for answer in answers} == {401}
        assert issuer.fetches <= 2
        assert (await world.get(issuer.token())).status_code == 200


async def test_unknown_keys_at_once_share_one_fetch_after_the_cool_down(
    open_world: Any, issuer: Issuer
) -> None:
    async with open_world(issuer, issuer.settings(jwks_cooldown=0.5)) as world:
        assert (await world.get(issuer.token())).status_code == 200
        await asyncio.sleep(0.5)  # the cool-down itself
        forged = [issuer.token(header={"kid": f"unknown-{n}"}) for n in range(50)]
        answers = await asyncio.gather(*(world.get(token) for token in forged))
        assert {answer.status_code for answer in answers} == {401}
        assert issuer.fetches == 2


async def test_500_requests_at_a_cold_start_cost_one_fetch(open_world: Any, issuer: Issuer) -> None:
    patient = issuer.settings(jwks_wait=10, jwks_timeout=10)
    async with open_world(issuer, patient) as world:
        token = issuer.token()
        answers = await asyncio.gather(*(world.get(token) for _ in range(500)))
        assert {answer.status_code for answer in answers} == {200}
        assert issuer.fetches == 1


async def test_a_withdrawn_key_ends_its_tokens_remembered_or_not(
    open_world: Any, issuer: Issuer
) -> None:
    async with open_world(issuer, issuer.settings(**QUICK)) as world:
        token = issuer.token()
        assert (await world.get(token)).status_code == 200
        assert (await world.get(token)).status_code == 200
        assert world.count("auth_token_cache_hits_total") == 1
        withdrawn = issuer.kid
        issuer.rotate()
        issuer.withdraw(withdrawn)
        await until(status_is(world, token, 401))
        assert (await world.get(issuer.token())).status_code == 200


async def test_an_empty_key_set_is_believed_and_is_not_ready(
    open_world: Any, issuer: Issuer
) -> None:
    async with open_world(issuer, issuer.settings(**QUICK)) as world:
        assert (await world.get(issuer.token())).status_code == 200
        await world.ready()
        issuer.fault = "empty"
        await until(status_is(world, issuer.token(), 401))
        with pytest.raises(KeysUnavailable):
            await world.ready()


async def test_a_start_without_the_issuer_is_unready_answers_503_and_heals(
    open_world: Any, issuer: Issuer
) -> None:
    issuer.fault = "500"
    async with open_world(issuer, issuer.settings(**QUICK)) as world:
        with pytest.raises(KeysUnavailable):
            await world.ready()
        answer = await world.get(issuer.token())
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
        assert (await world.http.get("/open")).status_code == 200
        assert (await world.http.get("/me")).status_code == 401
        issuer.fault = "ok"
        await until(status_is(world, issuer.token(), 200))
        await world.ready()


async def test_a_port_where_no_one_listens_is_an_outage_too(open_world: Any) -> None:
    issuer = Issuer()
    async with issuer.serve():
        settings = issuer.settings(**QUICK)
    async with open_world(issuer, settings) as world:
        assert (await world.get(issuer.token())).status_code == 503
        assert world.count("auth_jwks_fetches_total", outcome="network") >= 1
        async with issuer.serve():
            await until(status_is(world, issuer.token(), 200))


async def test_stale_keys_serve_up_to_their_bound_and_then_503(
    open_world: Any, issuer: Issuer
) -> None:
    async with open_world(issuer, issuer.settings(**QUICK, jwks_max_stale=0.5)) as world:
        token = issuer.token()
        assert (await world.get(token)).status_code == 200
        issuer.fault = "500"
        await until(status_is(world, token, 503))
        assert world.count("auth_jwks_age_seconds") >= 1.5
        issuer.fault = "ok"
        await until(status_is(world, token, 200))


@pytest.mark.parametrize("max_age", [1, 3600, None])
async def test_keys_are_fetched_again_before_they_expire(
    open_world: Any, issuer: Issuer, max_age: int | None
) -> None:
    issuer.server.max_age = max_age
    async with open_world(issuer, issuer.settings(**QUICK)) as world:
        assert (await world.get(issuer.token())).status_code == 200

        async def again() -> bool:
            return issuer.fetches >= 3

        await until(again)
        assert (await world.get(issuer.token())).status_code == 200


async def test_a_short_max_age_is_honoured_and_never_below_the_cool_down(
    open_world: Any, issuer: Issuer
) -> None:
    issuer.server.max_age = 0
    started = time.monotonic()
    settings = issuer.settings(jwks_ttl=3600, jwks_cooldown=0.5)
    async with open_world(issuer, settings) as world:

        async def again() -> bool:
            return issuer.fetches >= 3

        await until(again)
        assert time.monotonic() - started >= 2 * 0.5 * 0.7
        assert (await world.get(issuer.token())).status_code == 200


async def test_two_apps_keep_keys_apart(open_world: Any, issuer: Issuer) -> None:
    async with (
        Issuer().serve() as other,
        open_world(issuer, issuer.settings()) as ours,
        open_world(other, other.settings()) as theirs,
    ):
        assert (await ours.get(issuer.token())).status_code == 200
        assert (await ours.get(other.token())).status_code == 401
        assert (await theirs.get(other.token())).status_code == 200


def test_an_app_can_be_started_again_in_another_event_loop() -> None:
    issuer = Issuer()
    registry = CollectorRegistry()

    async def once(keys: Jwks) -> bool:
        async with issuer.serve(), keys.running():
            return bool(await keys.find(issuer.kid)) and not await keys.find("unknown")

    async def first_url() -> str:
        async with issuer.serve():
            return issuer.url

    asyncio.run(first_url())
    keys = Jwks(issuer.settings("jwks", jwks_cooldown=0.1), registry=registry)
    assert asyncio.run(once(keys))
    time.sleep(0.1)  # the cool-down itself
    assert asyncio.run(once(keys))
