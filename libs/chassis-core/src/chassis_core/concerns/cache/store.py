"""What a cache stands on: a store of bytes with leases, in this process or shared."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, Protocol

from chassis_core.concerns.cache.settings import CacheSettings


class Place(NamedTuple):
    """Where a value is kept: its namespace, the hash of its type's schema, and its key."""

    namespace: str
    schema: str
    key: str


class Found(NamedTuple):
    """What a store has at a place.

    Attributes:
        body: the bytes, None when there are none.
        fresh: they need no reload.
        owner: when they do: the token of whoever may reload them.
        generation: what an invalidation changes; a write must bring it back.
    """

    body: bytes | None
    fresh: bool
    owner: str = ""
    generation: str = ""


class CacheStore(Protocol):
    """A store of bytes; `ConnectionError` is raised when it cannot be reached."""

    async def read(self, place: Place, token: str) -> Found:
        """Return what is there; if nothing fresh is, the lease goes to the first that asks."""

    async def write(
        self, place: Place, found: Found, body: bytes, *, fresh: float, kept: float
    ) -> None:
        """Keep `body` fresh and kept for these seconds, if the lease still holds."""

    async def renew(self, place: Place, found: Found) -> None:
        """Have the lease for as long again, if it still holds."""

    async def release(self, place: Place, found: Found) -> None:
        """Give the lease back without a value."""

    async def forget(self, namespace: str, key: str | None) -> None:
        """Drop a key, or a whole namespace; what is being loaded now is not kept either."""


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

    async def read(self, place: Place, token: str) -> Found:
        """Return what is there; if nothing fresh is, the lease goes to the first that asks."""
        now, at = self._clock(), (place.namespace, place.key)
        entry = self._entries.get(at)
        if entry and (entry.kept_until <= now or entry.schema != place.schema):
            entry = None
        if entry:
            self._entries.move_to_end(at)
            if entry.fresh_until > now:
                return Found(entry.body, fresh=True)
        owner, until = self._leases.get(at, ("", 0.0))
        if until <= now:
            owner = token
            self._leases[at] = (token, now + self._lease)
        return Found(entry.body if entry else None, fresh=False, owner=owner)

    async def write(
        self, place: Place, found: Found, body: bytes, *, fresh: float, kept: float
    ) -> None:
        """Keep `body`, if the lease still holds."""
        at = (place.namespace, place.key)
        if not self._holds(at, found):
            return
        del self._leases[at]
        self._drop(at)
        now = self._clock()
        self._entries[at] = _Entry(place.schema, body, now + fresh, now + kept)
        self.bytes += len(body)
        while self._entries and (
            len(self._entries) > self._max_entries or self.bytes > self._max_bytes
        ):
            self._drop(next(iter(self._entries)))

    async def renew(self, place: Place, found: Found) -> None:
        """Have the lease for as long again, if it still holds."""
        at = (place.namespace, place.key)
        if self._holds(at, found):
            self._leases[at] = (found.owner, self._clock() + self._lease)

    async def release(self, place: Place, found: Found) -> None:
        """Give the lease back without a value."""
        at = (place.namespace, place.key)
        if self._holds(at, found):
            del self._leases[at]

    async def forget(self, namespace: str, key: str | None) -> None:
        """Drop a key, or a whole namespace; what is being loaded now is not kept either."""
        places = {*self._entries, *self._leases} if key is None else {(namespace, key)}
        for at in places:
            if at[0] == namespace:
                self._drop(at)
                self._leases.pop(at, None)

    def _holds(self, at: tuple[str, str], found: Found) -> bool:
        return at in self._leases and self._leases[at][0] == found.owner

    def _drop(self, at: tuple[str, str]) -> None:
        if (entry := self._entries.pop(at, None)) is not None:
            self.bytes -= len(entry.body)
