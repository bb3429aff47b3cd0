"""Signing keys: sealed in the database, followed by every process, changed by command."""

from users.keys.ring import KeyRing, KeySet, Signer
from users.keys.rotation import RotationRefused, revoke, rotate, stored_keys
from users.keys.vault import ALGORITHM, Vault

__all__ = [
    "ALGORITHM",
    "KeyRing",
    "KeySet",
    "RotationRefused",
    "Signer",
    "Vault",
    "revoke",
    "rotate",
    "stored_keys",
]
