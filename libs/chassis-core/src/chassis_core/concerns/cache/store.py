"""What a cache stands on: a store of bytes with leases, in this process or shared."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, Protocol

from chassis_core.concerns.cache.settings import CacheSettings


class CacheKey(NamedTuple):
    """What a value is kept under: its namespace, the hash of its type's schema, and its name."""

    namespace: str
    schema: str
    name: str


class Found(NamedTuple):
    """What a store has under a key.

    Attributes:
        body: the bytes, None when there are none.
        fresh: they need not be loaded anew.
        holder: the token of the reader that has the lease; empty when they are fresh, and when
            the store failed, which gives no lease.
        generation: what an invalidation changes; a write must bring it back.
    """

    body: bytes | None
    fresh: bool
    holder: str = ""
    generation: str = ""


class CacheStore(Protocol):
    """A store of bytes; `ConnectionError` is raised when it cannot be reached."""

    async def read(self, key: CacheKey, token: str) -> Found:
        """Return what is there; if nothing fresh is, the lease goes to the first that asks."""

    async def write(
        self, key: CacheKey, found: Found, body: bytes, *, fresh: float, kept: float
    ) -> None:
        """Keep `body` fresh and kept for these seconds, if the lease still holds."""

    async def renew(self, key: CacheKey, found: Found) -> None:
        """Have the lease for as long again, if it still holds."""

    async def release(self, key: CacheKey, found: Found) -> None:
        """Give the lease back without a value."""

    async def forget(self, namespace: str, name: str | None) -> None:
        """Drop a name, or a whole namespace; what is being loaded now is not kept either."""


class _Entry(NamedTuple):
    schema: str
    body: bytes
    fresh_until: float
    kept_until: float


class MemoryStore:
    """A store in this process, bounded in entries and in bytes; the least recently used goes first.

    Args:
        settings: how much it holds, and how long a lease is.
        clock: monotonic seconds.
    """

    def __init__(
        self, settings: CacheSettings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_entries = settings.max_entries
        self._max_bytes = settings.max_bytes
        self._lease = settings.lease
        self._clock = clock
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._leases: dict[tuple[str, str], tuple[str, float]] = {}
        self.bytes = 0

    def __len__(self) -> int:
        """Return the number of values."""
        return len(self._entries)

    async def read(self, key: CacheKey, token: str) -> Found:
        """Return what is there; if nothing fresh is, the lease goes to the first that asks."""
        now, at = self._clock(), (key.namespace, key.name)
        entry = self._entries.get(at)
        if entry and (entry.kept_until <= now or entry.schema != key.schema):
            entry = None
        if entry:
            self._entries.move_to_end(at)
            if entry.fresh_until > now:
                return Found(entry.body, fresh=True)
        holder, until = self._leases.get(at, ("", 0.0))
        if until <= now:
            holder = token
            self._leases[at] = (token, now + self._lease)
        return Found(entry.body if entry else None, fresh=False, holder=holder)

    async def write(
        self, key: CacheKey, found: Found, body: bytes, *, fresh: float, kept: float
    ) -> None:
        """Keep `body`, if the lease still holds."""
        at = (key.namespace, key.name)
        if not self._holds(at, found):
            return
        del self._leases[at]
        self._drop(at)
        now = self._clock()
        self._entries[at] = _Entry(key.schema, body, now + fresh, now + kept)
        self.bytes += len(body)
        while self._entries and (
            len(self._entries) > self._max_entries or self.bytes > self._max_bytes
        ):
            self._drop(next(iter(self._entries)))

    async def renew(self, key: CacheKey, found: Found) -> None:
        """Have the lease for as long again, if it still holds."""
        at = (key.namespace, key.name)
        if self._holds(at, found):
            self._leases[at] = (found.holder, self._clock() + self._lease)

    async def release(self, key: CacheKey, found: Found) -> None:
        """Give the lease back without a value."""
        at = (key.namespace, key.name)
        if self._holds(at, found):
            del self._leases[at]

    async def forget(self, namespace: str, name: str | None) -> None:
        """Drop a name, or a whole namespace; what is being loaded now is not kept either."""
        known = {*self._entries, *self._leases} if name is None else {(namespace, name)}
        for at in known:
            if at[0] == namespace:
                self._drop(at)
                self._leases.pop(at, None)

    def _holds(self, at: tuple[str, str], found: Found) -> bool:
        return at in self._leases and self._leases[at][0] == found.holder

    def _drop(self, at: tuple[str, str]) -> None:
        if (entry := self._entries.pop(at, None)) is not None:
            self.bytes -= len(entry.body)
