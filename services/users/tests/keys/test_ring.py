import asyncio
from datetime import timedelta
from pathlib import Path

import jwt
import pytest
from chassis_core import InvalidSettings
from chassis_core.concerns.auth import KeysUnavailable
from chassis_core.concerns.database import DatabaseSettings
from chassis_core.migrations import migrations_of, upgrade
from chassis_core.moments import now
from chassis_core.problem import Unavailable
from chassis_core.testing import running
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from pydantic import SecretStr
from sqlalchemy import delete, text, update
from users.keys import KeyRing, Vault, revoke, rotate
from users.main import app
from users.models import KeyState, SigningKey
from users.settings import KeySettings, Settings


async def until(condition, within: float = 10.0, every: float = 0.1):
    """Poll until an async condition holds."""
    async with asyncio.timeout(within):
        while not await condition():  # noqa: ASYNC110 - what changes is another process's
            await asyncio.sleep(every)


def stranger() -> str:
    """Return a token that looks right, of a key that no one knows."""
    headers = {"typ": "at+jwt", "kid": "unknown"}
    return jwt.encode({"sub": "x"}, generate_private_key(SECP256R1()), "ES256", headers)


def sealed_with(settings: Settings, *keys: bytes, **changes) -> Settings:
    key = SecretStr(b",".join(keys).decode())
    changed = KeySettings(**{"encryption_key": key, "poll_interval": 0.05} | changes)
    return settings.model_copy(update={"keys": changed})


async def test_a_running_process_picks_a_rotation_up_and_old_tokens_survive(api, rotate_now):
    await api.register()
    old = (await api.login()).json()["access_token"]
    promoted = await rotate_now()

    async def signs_with_the_promoted_key():
        token = await api.service_token()
        return jwt.get_unverified_header(token)["kid"] == promoted.kid

    await until(signs_with_the_promoted_key)
    assert (await api.get("/v1/users/me", old)).status_code == 200
    assert len(await api.keys()) == 3
    assert jwt.get_unverified_header(old)["kid"] in await api.keys()


async def test_tokens_of_a_revoked_key_are_refused_and_those_of_the_next_are_not(
    api, database, vault
):
    await api.register()
    login = (await api.login()).json()
    stolen = jwt.get_unverified_header(login["access_token"])["kid"]
    assert (await api.get("/v1/users/me", login["access_token"])).status_code == 200
    await revoke(database, vault, stolen)

    async def refused():
        return (await api.get("/v1/users/me", login["access_token"])).status_code == 401

    await until(refused)
    assert stolen not in await api.keys()
    renewed = (await api.refresh(login["refresh_token"])).json()["access_token"]
    assert (await api.get("/v1/users/me", renewed)).status_code == 200


async def test_what_signs_next_was_published_before(api, rotate_now):
    for _ in range(3):
        published = await api.keys()
        promoted = await rotate_now()
        assert promoted.kid in published
        await until(lambda kid=promoted.kid: _signs_with(api, kid))


async def _signs_with(api, kid: str) -> bool:
    return jwt.get_unverified_header(await api.service_token())["kid"] == kid


async def test_every_process_verifies_what_any_other_has_signed(
    settings, telemetry, rotate_now, api_of
):
    async with (
        running(app(settings, **telemetry.shared())) as first,
        running(app(settings)) as second,
    ):
        one, other = api_of(first), api_of(second)
        await one.register()
        for _ in range(2):
            for signer, verifier in ((one, other), (other, one)):
                token = (await signer.login()).json()["access_token"]
                assert (await verifier.get("/v1/users/me", token)).status_code == 200
            promoted = await rotate_now()
            await until(lambda kid=promoted.kid: _signs_with(one, kid))


async def test_a_retired_key_is_published_until_its_last_token_has_expired(
    ring, rotate_now, database, settings
):
    old = ring.signer().kid
    await rotate_now()

    async def published_when_retired_ago(seconds: float) -> bool:
        retired = now() - timedelta(seconds=seconds)
        async with database.session() as session:
            of_old = update(SigningKey).where(SigningKey.kid == old)
            await session.execute(of_old.values(retired_at=retired))
        await ring.refresh()
        return old in ring.published().keys

    last_expiry = settings.tokens.access_lifetime + settings.keys.stale_after
    assert await published_when_retired_ago(last_expiry)
    assert not await published_when_retired_ago(last_expiry + 120)
    assert not await ring.find(old)


async def reseal_next(database, foreign: Vault) -> None:
    """Put a next key in place that only `foreign` opens."""
    async with database.session() as session:
        await session.execute(delete(SigningKey).where(SigningKey.state == KeyState.NEXT))
        session.add(foreign.generate(KeyState.NEXT))


async def test_a_wrong_encryption_key_stops_the_start_and_names_the_variable(ring, settings):
    other = sealed_with(settings, Fernet.generate_key())
    with pytest.raises(InvalidSettings, match="USERS_KEYS__ENCRYPTION_KEY does not open"):
        async with running(app(other)):
            pass


async def test_the_doctor_is_told_of_a_wrong_encryption_key_and_changes_nothing(
    ring, settings, database, by_state
):
    before = {s: [k.kid for k in ks] for s, ks in (await by_state()).items()}
    assert await ring.diagnose(5) == []
    other = KeyRing(sealed_with(settings, Fernet.generate_key()), database)
    [fault] = await other.diagnose(5)
    assert fault.what.startswith("USERS_KEYS__ENCRYPTION_KEY does not open signing key")
    assert fault.fix == "set the one it was sealed with"
    assert {s: [k.kid for k in ks] for s, ks in (await by_state()).items()} == before


async def test_the_doctor_makes_no_first_keys_and_leaves_the_database_to_its_own_concern(
    settings, database, by_state
):
    assert await KeyRing(settings, database).diagnose(5) == []
    assert all(keys == [] for keys in (await by_state()).values())
    async with database.session() as session:
        await session.execute(text("DROP TABLE signing_keys"))
    assert await KeyRing(settings, database).diagnose(5) == []


async def test_the_encryption_key_can_be_replaced_while_both_are_given(ring, settings, database):
    old = settings.keys.encryption_key.get_secret_value().encode()
    new = Fernet.generate_key()
    both, alone = sealed_with(settings, new, old), sealed_with(settings, new)
    for _ in range(2):
        await rotate(database, Vault(both.keys.encryption_key), published_for=0)
    follower = KeyRing(alone, database)
    await follower.refresh()
    assert follower.signer().kid in follower.published().keys


async def test_a_key_whose_row_was_swapped_is_not_signed_with(ring, settings, database):
    foreign = Vault(settings.keys.encryption_key).generate(KeyState.ACTIVE)
    async with database.session() as session:
        await session.execute(update(SigningKey).values(sealed=foreign.sealed))
    with pytest.raises(InvalidSettings):
        await KeyRing(settings, database).refresh()


async def test_a_key_that_a_running_process_cannot_open_does_not_end_it(
    api, settings, database, telemetry
):
    other = sealed_with(settings, Fernet.generate_key())
    await reseal_next(database, Vault(other.keys.encryption_key))

    await until(_reported_by(telemetry))
    assert (await api.token("client_credentials", auth=api.service)).status_code == 200


async def test_a_look_that_nobody_foresaw_to_fail_does_not_end_those_after_it(
    api, database, by_state, rotate_now, telemetry
):
    async def make(kid: str, state: KeyState) -> None:
        async with database.session() as session:
            await session.execute(
                update(SigningKey).where(SigningKey.kid == kid).values(state=state)
            )

    [active] = (await by_state())[KeyState.ACTIVE]
    await make(active.kid, KeyState.RETIRED)
    await until(_reported_by(telemetry))
    await make(active.kid, KeyState.ACTIVE)
    promoted = await rotate_now()
    await until(lambda: _signs_with(api, promoted.kid))


def _reported_by(telemetry):
    async def reported() -> bool:
        return any(line["event"] == "keys_unreadable" for line in telemetry.lines)

    return reported


async def test_a_process_that_has_lost_sight_of_the_keys_signs_nothing(settings, database, ring):
    soon = sealed_with(settings, Fernet.generate_key(), poll_interval=0.001, stale_after=0.002)
    blind = KeyRing(soon, database)
    with pytest.raises(Unavailable):
        blind.signer()
    blind._seen = ring.published()
    await asyncio.sleep(0.01)
    with pytest.raises(Unavailable):
        blind.signer()
    assert await blind.find(ring.signer().kid)


async def test_no_refresh_token_is_used_up_while_nothing_can_be_signed(settings, database, api_of):
    key = settings.keys.encryption_key.get_secret_value().encode()
    hasty = sealed_with(settings, key, stale_after=1.5)
    foreign = Vault(sealed_with(settings, Fernet.generate_key()).keys.encryption_key)
    async with running(app(hasty)) as http:
        api = api_of(http)

        async def signs():
            answer = await api.token("client_credentials", auth=api.service)
            return answer.status_code == 200

        async def signs_nothing():
            answer = await api.token("client_credentials", auth=api.service)
            return answer.status_code == 503

        await api.register()
        token = (await api.login()).json()["refresh_token"]
        await reseal_next(database, foreign)
        await until(signs_nothing, every=0.3)
        assert (await api.refresh(token)).status_code == 503
        async with database.session() as session:
            unreadable = SigningKey.state == KeyState.NEXT
            await session.execute(delete(SigningKey).where(unreadable))
        await until(signs, every=0.3)
        assert (await api.refresh(token)).status_code == 200


async def test_before_the_first_look_no_token_can_be_judged(settings, database):
    with pytest.raises(KeysUnavailable):
        await KeyRing(settings, database).find("any")


async def test_a_database_that_comes_late_makes_the_service_ready_late(
    tmp_path: Path, settings, api_of
):
    late = DatabaseSettings(url=SecretStr(f"sqlite:///{tmp_path / 'late.db'}"))
    migrations = migrations_of(Settings)
    waiting = settings.model_copy(update={"database": late})
    async with running(app(waiting)) as http:
        api = api_of(http)
        assert (await http.get("/readyz")).status_code == 503
        assert (await http.get("/livez")).status_code == 200
        assert (await http.get("/.well-known/jwks.json")).status_code == 503
        refused = await api.token("client_credentials", auth=api.service)
        assert refused.status_code == 503
        assert (await api.get("/v1/users/me", stranger())).status_code == 503
        await upgrade(late, migrations)

        async def ready():
            return (await http.get("/readyz")).status_code == 200

        await until(ready)
        assert (await api.register()).status_code == 201
