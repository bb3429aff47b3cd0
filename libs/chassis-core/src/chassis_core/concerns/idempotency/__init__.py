"""Idempotency keys: a request that is sent twice is executed once."""

from chassis_core.concerns.idempotency.attempt import IDEMPOTENCY_KEY, Attempt, Replayed
from chassis_core.concerns.idempotency.concern import (
    Idempotency,
    IdempotencySettings,
    Idempotent,
    idempotency,
)
from chassis_core.concerns.idempotency.table import idempotency_keys

__all__ = [
    "IDEMPOTENCY_KEY",
    "Attempt",
    "Idempotency",
    "IdempotencySettings",
    "Idempotent",
    "Replayed",
    "idempotency",
    "idempotency_keys",
]
