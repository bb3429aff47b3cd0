import asyncio
import time
from statistics import median

import pytest
from chassis_core.problem import Unavailable
from users.accounts import authenticate
from users.passwords import Passwords
from users.settings import PasswordSettings

CHEAP = PasswordSettings(memory=64, passes=1, parallelism=1)
DEAR = PasswordSettings(memory=8192, passes=4, parallelism=1, concurrency=1, queue=2)


async def test_a_password_matches_its_own_hash_only():
    passwords = Passwords(CHEAP)
    stored = await passwords.hash("correct horse battery")
    assert await passwords.verify("correct horse battery", stored) == (True, None)
    assert await passwords.verify("correct horse batterx", stored) == (False, None)
    assert await passwords.hash("correct horse battery") != stored


async def test_no_password_matches_when_there_is_no_hash():
    assert await Passwords(CHEAP).verify("correct horse battery", None) == (False, None)


async def test_a_hash_of_other_costs_is_renewed_when_its_owner_logs_in(api, database):
    await api.register()
    dearer = Passwords(CHEAP.model_copy(update={"passes": 2}))
    login = {"email": "ann@example.org", "password": api.password}
    assert await authenticate(database, dearer, **login)
    renewed = await authenticate(database, dearer, **login)
    assert "t=2" in renewed.password_hash


async def test_an_unknown_user_takes_as_long_as_a_wrong_password(api, database):
    await api.register()
    passwords = Passwords(DEAR)
    stored = await passwords.hash("another horse battery")

    async def seconds(hash_: str | None) -> float:
        start = time.perf_counter()
        await passwords.verify("wrong horse battery", hash_)
        return time.perf_counter() - start

    known, unknown = [], []
    for _ in range(9):
        known.append(await seconds(stored))
        unknown.append(await seconds(None))
    assert 0.5 < median(unknown) / median(known) < 2


async def test_hashing_leaves_the_event_loop_free():
    passwords = Passwords(DEAR)
    hashing = asyncio.create_task(passwords.hash("correct horse battery"))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 3


async def test_more_hashes_than_may_wait_are_told_to_come_back():
    passwords = Passwords(DEAR)
    outcomes = await asyncio.gather(
        *(passwords.hash("correct horse battery") for _ in range(6)), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, Unavailable)]
    assert len(refused) == 3
    assert all(problem.headers["Retry-After"] for problem in refused)
    assert sum(isinstance(outcome, str) for outcome in outcomes) == 3


@pytest.mark.parametrize("length", [129, 1_000_000])
async def test_an_endless_password_costs_nothing(length):
    passwords = Passwords(DEAR)
    stored = await passwords.hash("correct horse battery")
    start = time.perf_counter()
    await passwords.verify("correct horse battery", stored)
    honest = time.perf_counter() - start
    start = time.perf_counter()
    assert await passwords.verify("x" * length, stored) == (False, None)
    assert time.perf_counter() - start < honest
