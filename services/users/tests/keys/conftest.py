"""Rings and rotations on one database, as several processes have them."""

from collections.abc import Awaitable, Callable

import pytest
from chassis_core.concerns.database import Database
from users.keys import KeyRing, Vault, rotate, stored_keys
from users.models import KeyState, SigningKey
from users.settings import Settings


@pytest.fixture
def vault(settings: Settings) -> Vault:
    return Vault(settings.keys.encryption_key)


@pytest.fixture
async def ring(settings: Settings, database: Database) -> KeyRing:
    """A ring that has seen the first keys."""
    ring = KeyRing(settings, database)
    await ring.refresh()
    return ring


@pytest.fixture
def by_state(database: Database) -> Callable[[], Awaitable[dict[KeyState, list[SigningKey]]]]:
    """The keys in the database, by state."""

    async def read() -> dict[KeyState, list[SigningKey]]:
        keys = await stored_keys(database)
        return {state: [key for key in keys if key.state == state] for state in KeyState}

    return read


@pytest.fixture
def rotate_now(database: Database, vault: Vault) -> Callable[[], Awaitable[SigningKey]]:
    """Rotate without waiting until others have seen the next key."""

    async def turn() -> SigningKey:
        return await rotate(database, vault, published_for=0)

    return turn
