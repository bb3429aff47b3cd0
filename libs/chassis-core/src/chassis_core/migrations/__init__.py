"""Migrations of a service's database: one at a time, however many start at once."""

from chassis_core.migrations.commands import (
    LOCK_TIMEOUT,
    Drift,
    Moved,
    check,
    current,
    downgrade,
    head,
    new,
    upgrade,
)
from chassis_core.migrations.environment import run
from chassis_core.migrations.lock import LockedOut
from chassis_core.migrations.place import migrations_of

__all__ = [
    "LOCK_TIMEOUT",
    "Drift",
    "LockedOut",
    "Moved",
    "check",
    "current",
    "downgrade",
    "head",
    "migrations_of",
    "new",
    "run",
    "upgrade",
]
