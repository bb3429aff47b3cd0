"""A key set served wrongly in every way: known keys go on, memory and time stay bounded."""

import asyncio
import resource
import time
from statistics import median
from typing import Any, get_args

import pytest
from chassis_core.testing.issuer import Issuer
from chassis_core.testing.jwks_server import Fault

pytestmark = pytest.mark.alone

BROKEN = {
    "500": "status",
    "slow": "timeout",
    "hang": "timeout",
    "huge": "size",
    "notjson": "malformed",
    "redirect": "redirect",
    "gzipbomb": "encoding",
}
QUICK = {"jwks_ttl": 1.0, "jwks_cooldown": 0.2, "jwks_timeout": 0.5, "jwks_wait": 0.3}


def unknown(issuer: Issuer) -> str:
    return issuer.token(header={"kid": "unknown"})


def test_every_fault_is_named_here() -> None:
    assert {*BROKEN, "ok", "mixed", "dup", "empty"} == set(get_args(Fault))


@pytest.mark.parametrize("fault", [*BROKEN, "mixed", "dup"])
async def test_through_every_fault_known_keys_go_on_and_a_new_key_is_taken_after_it(
    open_world: Any, issuer: Issuer, fault: Fault
) -> None:
    outcome = BROKEN.get(fault, "ok")
    async with open_world(issuer, issuer.settings(**QUICK)) as world:
        assert (await world.get(issuer.token())).status_code == 200
        before = world.count("auth_jwks_fetches_total", outcome=outcome)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        issuer.fault = fault
        times = []
        deadline = time.monotonic() + 10
        while world.count("auth_jwks_fetches_total", outcome=outcome) < before + 2:
            assert time.monotonic() < deadline, "the fault was not met twice"
            started = time.monotonic()
            assert (await world.get(issuer.token())).status_code == 200
            times.append(time.monotonic() - started)
            await asyncio.sleep(0.02)
        started = time.monotonic()
        assert (await world.get(unknown(issuer))).status_code in {401, 503}
        assert time.monotonic() - started < 2
        assert median(times) < QUICK["jwks_wait"] / 2, "a known key waited for a fetch"
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 50_000
        assert issuer.server.strays == 0

        issuer.fault = "ok"
        issuer.rotate()
        deadline = time.monotonic() + 10
        while (await world.get(issuer.token())).status_code != 200:
            assert time.monotonic() < deadline, "the new key was never taken"
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("fault", BROKEN)
async def test_from_a_start_in_every_fault_the_answer_is_503_until_it_is_over(
    open_world: Any, issuer: Issuer, fault: Fault
) -> None:
    issuer.fault = fault
    async with open_world(issuer, issuer.settings(**QUICK)) as world:
        started = time.monotonic()
        assert (await world.get(issuer.token())).status_code == 503
        assert time.monotonic() - started < 2
        issuer.fault = "ok"
        deadline = time.monotonic() + 10
        while (await world.get(issuer.token())).status_code != 200:
            assert time.monotonic() < deadline, "it never healed"
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("fault", ["500", "hang"])
async def test_an_unknown_key_during_an_outage_is_503_for_no_one_can_tell(
    open_world: Any, issuer: Issuer, fault: Fault
) -> None:
    async with open_world(issuer, issuer.settings(**QUICK | {"jwks_ttl": 60})) as world:
        assert (await world.get(issuer.token())).status_code == 200
        issuer.fault = fault
        await asyncio.sleep(0.2)  # the cool-down itself
        assert (await world.get(unknown(issuer))).status_code == 503


async def test_a_mixed_set_gives_no_key_that_is_not_for_verifying(
    open_world: Any, issuer: Issuer
) -> None:
    issuer.fault = "mixed"
    async with open_world(issuer, issuer.settings()) as world:
        assert (await world.get(issuer.token())).status_code == 200
        for kid in ("shared", "enc"):
            assert (await world.get(issuer.token(header={"kid": kid}))).status_code == 401
        secret = issuer.sign(
            issuer.header() | {"alg": "HS256", "kid": "shared"},
            issuer.claims(),
            algorithm="HS256",
            key=b"secret" * 6,
        )
        assert (await world.get(secret)).status_code == 401
