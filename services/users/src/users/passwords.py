"""Passwords: argon2id in threads, a few at a time."""

import os
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from typing import TypeVar
from unicodedata import normalize

from anyio import CapacityLimiter, to_thread
from chassis_core.problem import Unavailable
from prometheus_client import CollectorRegistry, Counter, Gauge
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from users.settings import PasswordSettings

T = TypeVar("T")

SHORTEST, LONGEST = 12, 128
"""Characters in a password (NIST SP 800-63B asks for at least 8); the longest bounds the work."""


class Passwords:
    """Hashes and verifies passwords without blocking the event loop."""

    def __init__(
        self, settings: PasswordSettings, *, registry: CollectorRegistry | None = None
    ) -> None:
        argon2id = Argon2Hasher(
            time_cost=settings.passes,
            memory_cost=settings.memory,
            parallelism=settings.parallelism,
        )
        self._hash = PasswordHash((argon2id,))
        self._limiter = CapacityLimiter(settings.concurrency)
        self._most = settings.concurrency + settings.queue
        self._present = 0
        registry = registry or CollectorRegistry()
        present = Gauge("users_password_hashes", "Hashes that run or wait.", registry=registry)
        present.set_function(lambda: self._present)
        self._refused = Counter(
            "users_password_hashes_refused", "Hashes that found the queue full.", registry=registry
        )
        self._nobodys = _unmatched(settings)

    async def hash(self, password: str) -> str:
        """Return the hash to store for a new password."""
        return await self._run(partial(self._hash.hash, _stable(password)))

    async def verify(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Tell whether `password` is the one, and the hash to store instead if costs have changed.

        Without a stored hash the answer is no, after the same work.
        """
        if len(password) > LONGEST:
            return False, None
        check = partial(self._hash.verify_and_update, _stable(password), stored or self._nobodys)
        return await self._run(check)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._present >= self._most:
            self._refused.inc()
            raise Unavailable("too many logins at once", headers={"Retry-After": "1"})
        self._present += 1
        try:
            return await to_thread.run_sync(work, limiter=self._limiter)
        finally:
            self._present -= 1


def _stable(password: str) -> str:
    # Two keyboards may compose one character differently (RFC 8265 §4.2).
    return normalize("NFC", password)


def _unmatched(settings: PasswordSettings) -> str:
    salt, digest = (b64encode(os.urandom(size)).rstrip(b"=").decode() for size in (16, 32))
    cost = f"m={settings.memory},t={settings.passes},p={settings.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${digest}"
