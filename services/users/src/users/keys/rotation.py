"""The life of signing keys in the database: made, promoted, retired."""

from collections.abc import Sequence
from datetime import timedelta

from chassis_core import InvalidSettings, get_logger
from chassis_core.concerns.database import Database
from chassis_core.moments import now
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

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
    keys = {key.state: key for key in await stored_keys(database, retired_within=0)}
    if keys.keys() != {KeyState.ACTIVE, KeyState.NEXT}:
        raise RotationRefused("there are no keys yet: start the service once")
    old, new = keys[KeyState.ACTIVE], keys[KeyState.NEXT]
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


def _require_opens(vault: Vault, *keys: SigningKey) -> None:
    try:
        for key in keys:
            vault.open(key)
    except InvalidSettings as error:
        raise RotationRefused(str(error)) from None


async def _promote(database: Database, old: SigningKey, new: SigningKey, fresh: SigningKey) -> None:
    async with database.session() as session:
        for key, before, after in (
            (old, KeyState.ACTIVE, {"state": KeyState.RETIRED, "retired_at": now()}),
            (new, KeyState.NEXT, {"state": KeyState.ACTIVE, "activated_at": now()}),
        ):
            still = (SigningKey.kid == key.kid) & (SigningKey.state == before)
            moved = await session.execute(
                update(SigningKey).where(still).values(after).returning(SigningKey.kid)
            )
            if moved.first() is None:
                raise RotationRefused("another rotation came first; the keys are new already")
        session.add(fresh)
