"""The life of signing keys in the database: made, promoted, retired, revoked."""

from collections.abc import Sequence
from datetime import timedelta

from chassis_core import InvalidSettings, get_logger
from chassis_core.concerns.database import Database
from chassis_core.moments import now
from sqlalchemy import Delete, Update, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from users.keys.vault import Vault
from users.models import KeyState, SigningKey

log = get_logger(__name__)


class RotationRefused(Exception):
    """The keys stay as they are; the text says why."""


async def stored_keys(
    database: Database, *, retired_within: float | None = None
) -> Sequence[SigningKey]:
    """Return the keys, oldest first: all, or without those that retired more seconds ago."""
    wanted = select(SigningKey).order_by(SigningKey.created_at)
    if retired_within is not None:
        since = now() - timedelta(seconds=retired_within)
        wanted = wanted.where((SigningKey.retired_at > since) | SigningKey.retired_at.is_(None))
    async with database.session(read_only=True) as session:
        return (await session.scalars(wanted)).all()


async def create_first_keys(database: Database, vault: Vault) -> None:
    """Fill an empty table with an active and a next key; do nothing if another process has."""
    active = vault.generate(KeyState.ACTIVE)
    active.activated_at = now()
    try:
        async with database.session() as session:
            session.add_all([active, vault.generate(KeyState.NEXT)])
    except IntegrityError:
        return
    log.info("keys_created", active=active.kid)


async def rotate(database: Database, vault: Vault, *, published_for: float) -> SigningKey:
    """Promote the next key, retire the active one and publish a new next; return the promoted.

    Args:
        database: where the keys are.
        vault: seals the new key, once it has opened those that are there: whoever cannot open the
            new one could sign nothing any more.
        published_for: seconds for which others must have been able to see the next key.

    Raises:
        RotationRefused: it has not been published for that long, another rotation came first, or
            the vault is not that of the keys.
    """
    old, new = _in_use(await stored_keys(database, retired_within=0))
    _require_opens(vault, old, new)
    age = (now() - new.created_at).total_seconds()
    if age < published_for:
        raise RotationRefused(
            f"the next key was published {age:.0f} s ago and others may not have seen it before "
            f"{published_for:.0f} s; wait {published_for - age:.0f} s, or use --now"
        )
    await _promote(database, old, new, vault.generate(KeyState.NEXT))
    log.info("keys_rotated", active=new.kid, retired=old.kid)
    return new


async def revoke(database: Database, vault: Vault, kid: str) -> SigningKey:
    """Delete a key, so that none of its tokens is believed; return what signs from now on.

    In place of the active key comes the next one, whoever has seen it, and in place of the next a
    new one.

    Raises:
        RotationRefused: there is no such key, another command came first, or the vault is not that
            of the keys that stay.
    """
    keys = await stored_keys(database)
    active, following = _in_use(keys)
    stolen = next((key for key in keys if key.kid == kid), None)
    if stolen is None:
        raise RotationRefused(f"there is no signing key {kid}; see `users keys list`")
    signs = following if stolen is active else active
    _require_opens(vault, signs)
    async with database.session() as session:
        await _change(session, delete(SigningKey), stolen)
        if stolen is active:
            await _change(session, _activation(), following)
        if stolen in (active, following):
            session.add(vault.generate(KeyState.NEXT))
    log.info("key_revoked", revoked=kid, active=signs.kid)
    return signs


def _in_use(keys: Sequence[SigningKey]) -> tuple[SigningKey, SigningKey]:
    found = {key.state: key for key in keys}
    try:
        return found[KeyState.ACTIVE], found[KeyState.NEXT]
    except KeyError:
        raise RotationRefused("there are no keys yet: start the service once") from None


def _require_opens(vault: Vault, *keys: SigningKey) -> None:
    try:
        for key in keys:
            vault.open(key)
    except InvalidSettings as error:
        raise RotationRefused(str(error)) from None


async def _promote(database: Database, old: SigningKey, new: SigningKey, fresh: SigningKey) -> None:
    retirement = update(SigningKey).values(state=KeyState.RETIRED, retired_at=now())
    async with database.session() as session:
        await _change(session, retirement, old)
        await _change(session, _activation(), new)
        session.add(fresh)


def _activation() -> Update:
    return update(SigningKey).values(state=KeyState.ACTIVE, activated_at=now())


async def _change(session: AsyncSession, change: Update | Delete, key: SigningKey) -> None:
    """Change a key, unless it is no longer in the state in which it was seen."""
    still = (SigningKey.kid == key.kid) & (SigningKey.state == key.state)
    changed = await session.execute(change.where(still).returning(SigningKey.kid))
    if changed.first() is None:
        raise RotationRefused("another command came first; see `users keys list`")
