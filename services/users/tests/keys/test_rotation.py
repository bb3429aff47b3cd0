import asyncio

import pytest
from chassis_core.concerns.database import Database
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import update
from users.keys import KeyRing, RotationRefused, Vault, revoke, rotate
from users.models import KeyState, SigningKey


def ids(keys) -> dict[KeyState, list[str]]:
    return {state: [key.kid for key in found] for state, found in keys.items()}


async def test_the_first_start_makes_one_active_and_one_next_key(ring, by_state):
    keys = await by_state()
    assert {state: len(found) for state, found in keys.items()} == {
        KeyState.ACTIVE: 1,
        KeyState.NEXT: 1,
        KeyState.RETIRED: 0,
    }
    assert ring.signer().kid == keys[KeyState.ACTIVE][0].kid


async def test_many_first_starts_at_once_make_the_keys_once(settings, by_state):
    databases = [Database(settings.database) for _ in range(6)]
    rings = [KeyRing(settings, database) for database in databases]
    try:
        await asyncio.gather(*(ring.refresh() for ring in rings))
        keys = await by_state()
        assert [len(keys[state]) for state in (KeyState.ACTIVE, KeyState.NEXT)] == [1, 1]
        assert {ring.signer().kid for ring in rings} == {keys[KeyState.ACTIVE][0].kid}
    finally:
        for database in databases:
            await database.close()


async def test_a_rotation_promotes_the_next_key_and_publishes_a_new_one(ring, by_state, rotate_now):
    before = await by_state()
    promoted = await rotate_now()
    after = await by_state()
    assert promoted.kid == before[KeyState.NEXT][0].kid == after[KeyState.ACTIVE][0].kid
    assert before[KeyState.ACTIVE][0].kid == after[KeyState.RETIRED][0].kid
    assert after[KeyState.NEXT][0].kid not in {ring.signer().kid, promoted.kid}
    assert after[KeyState.RETIRED][0].retired_at is not None
    assert after[KeyState.ACTIVE][0].activated_at is not None


async def test_a_key_that_others_may_not_have_seen_is_not_promoted(ring, by_state, database, vault):
    with pytest.raises(RotationRefused, match=r"wait 30[0-2] s, or use --now"):
        await rotate(database, vault, published_for=302)
    assert (await by_state())[KeyState.ACTIVE][0].kid == ring.signer().kid


async def test_there_is_nothing_to_rotate_before_the_first_start(settings, database, vault):
    with pytest.raises(RotationRefused, match="start the service once"):
        await rotate(database, vault, published_for=0)


@pytest.mark.parametrize("unopened", [KeyState.ACTIVE, KeyState.NEXT])
async def test_keys_that_the_vault_does_not_open_are_not_rotated(
    unopened, ring, database, vault, by_state
):
    foreign = Vault(SecretStr(Fernet.generate_key().decode())).generate(unopened)
    async with database.session() as session:
        swap = update(SigningKey).where(SigningKey.state == unopened)
        await session.execute(swap.values(sealed=foreign.sealed))
    before = ids(await by_state())
    with pytest.raises(RotationRefused, match=r"USERS_KEYS__ENCRYPTION_KEY .*; set the one"):
        await rotate(database, vault, published_for=0)
    assert ids(await by_state()) == before


async def test_a_revoked_active_key_is_gone_and_the_next_one_signs(ring, database, vault, by_state):
    before = ids(await by_state())
    [active], [following] = before[KeyState.ACTIVE], before[KeyState.NEXT]
    assert (await revoke(database, vault, active)).kid == following
    await ring.refresh()
    after = await by_state()
    assert ring.signer().kid == following == after[KeyState.ACTIVE][0].kid
    assert after[KeyState.ACTIVE][0].activated_at is not None
    assert len(after[KeyState.NEXT]) == 1
    assert after[KeyState.RETIRED] == []
    assert not await ring.find(active)
    assert active not in ring.published().document.decode()


async def test_a_revoked_next_key_is_replaced_and_the_active_one_goes_on(
    ring, database, vault, by_state
):
    before = ids(await by_state())
    [following] = before[KeyState.NEXT]
    assert (await revoke(database, vault, following)).kid == ring.signer().kid
    after = ids(await by_state())
    assert after[KeyState.ACTIVE] == before[KeyState.ACTIVE]
    assert len(after[KeyState.NEXT]) == 1
    assert following not in after[KeyState.NEXT]


async def test_a_revoked_retired_key_is_gone_and_no_other_changes(
    ring, database, vault, by_state, rotate_now
):
    await rotate_now()
    before = ids(await by_state())
    await revoke(database, vault, before[KeyState.RETIRED][0])
    assert ids(await by_state()) == before | {KeyState.RETIRED: []}


async def test_a_key_that_is_not_there_or_that_no_other_can_replace_is_not_revoked(
    ring, database, vault, by_state
):
    before = ids(await by_state())
    with pytest.raises(RotationRefused, match="no signing key unknown"):
        await revoke(database, vault, "unknown")
    foreign = Vault(SecretStr(Fernet.generate_key().decode()))
    for state in (KeyState.ACTIVE, KeyState.NEXT):
        with pytest.raises(RotationRefused, match="USERS_KEYS__ENCRYPTION_KEY does not open"):
            await revoke(database, foreign, before[state][0])
    assert ids(await by_state()) == before


async def test_revocations_of_the_active_key_at_once_happen_once(ring, vault, settings, by_state):
    stolen = ring.signer().kid
    databases = [Database(settings.database) for _ in range(3)]
    try:
        outcomes = await asyncio.gather(
            *(revoke(database, vault, stolen) for database in databases), return_exceptions=True
        )
    finally:
        for database in databases:
            await database.close()
    assert sum(isinstance(outcome, SigningKey) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, RotationRefused) for outcome in outcomes) == 2
    keys = await by_state()
    assert [len(keys[state]) for state in KeyState] == [1, 1, 0]


async def test_rotations_at_once_leave_one_active_and_one_next_key(settings, ring, vault, by_state):
    databases = [Database(settings.database) for _ in range(4)]
    try:
        outcomes = await asyncio.gather(
            *(rotate(database, vault, published_for=0.0) for database in databases),
            return_exceptions=True,
        )
    finally:
        for database in databases:
            await database.close()
    keys = await by_state()
    promoted = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, RotationRefused)]
    assert len(promoted) + len(refused) == len(outcomes)
    assert len(keys[KeyState.RETIRED]) == len(promoted)
    assert [len(keys[state]) for state in (KeyState.ACTIVE, KeyState.NEXT)] == [1, 1]


async def test_two_rotations_that_saw_the_same_keys_happen_once(ring, database, vault, by_state):
    from users.keys.rotation import _promote

    keys = await by_state()
    old, new = keys[KeyState.ACTIVE][0], keys[KeyState.NEXT][0]
    outcomes = await asyncio.gather(
        *(_promote(database, old, new, vault.generate(KeyState.NEXT)) for _ in range(3)),
        return_exceptions=True,
    )
    assert outcomes.count(None) == 1
    assert sum(isinstance(outcome, RotationRefused) for outcome in outcomes) == 2
    assert len((await by_state())[KeyState.RETIRED]) == 1
