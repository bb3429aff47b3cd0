"""The store that all replicas share, on Redis: one round trip a read, never FLUSHDB."""

import secrets
from collections.abc import Sequence
from typing import Any, Protocol

from chassis_core.concerns.cache.store import Found, Place

STAMP_KEPT = 259_200_000
"""Milliseconds that the mark of a dropped key is kept: longer than any value lives."""

GENERATION = """
local generation = redis.call('GET', KEYS[1])
if not generation then
  generation = ARGV[1]
  redis.call('SET', KEYS[1], generation)
end
generation = generation .. '.' .. (redis.call('GET', KEYS[2]) or '0')
"""

READ = (
    GENERATION
    + """
local key = ARGV[2] .. ':' .. generation .. ':' .. ARGV[3]
local entry = redis.call('GET', key)
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if entry and tonumber(string.sub(entry, 1, 15)) > now then
  return {generation, string.sub(entry, 16), ''}
end
local owner = ARGV[1]
if not redis.call('SET', key .. ':lease', owner, 'NX', 'PX', ARGV[4]) then
  owner = redis.call('GET', key .. ':lease')
end
return {generation, entry and string.sub(entry, 16), owner}
"""
)

WRITE = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local fresh = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(ARGV[2])
redis.call('SET', KEYS[1], string.format('%015.0f', fresh) .. ARGV[4], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1
"""

RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
"""

RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class Redis(Protocol):
    """What the store needs of Redis; `ConnectionError` is raised when it cannot be had."""

    @property
    def client(self) -> Any:
        """The driver's client, None when there is no Redis."""

    async def execute(self, *command: Any) -> Any:
        """Run one command."""

    async def evaluate(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run a Lua script."""


class RedisStore:
    """Values of all replicas of a service.

    A namespace has a generation and a dropped key a stamp; both are part of the key of a value, so
    that what was loaded before an invalidation is written where nobody reads any more. A missing
    generation is made anew: one that Redis evicted does not bring old values back.

    Args:
        redis: the client.
        service: of which all keys begin.
        lease: seconds after which a load is taken for lost, unless it is renewed.
    """

    def __init__(self, redis: Redis, *, service: str, lease: float) -> None:
        self._redis = redis
        self._service = service
        self._lease = int(lease * 1000)

    async def read(self, place: Place, token: str) -> Found:
        """Return what is there; if nothing fresh is, the lease goes to the first that asks."""
        arguments = [token, self._prefix(place), place.key, self._lease]
        generation, body, owner = await self._redis.evaluate(READ, self._marks(place), arguments)
        return Found(body, fresh=not owner, owner=owner.decode(), generation=generation.decode())

    async def write(
        self, place: Place, found: Found, body: bytes, *, fresh: float, kept: float
    ) -> None:
        """Keep `body`, if the lease still holds."""
        key = self._key(place, found)
        arguments = [found.owner, int(fresh * 1000), max(1, int(kept * 1000)), body]
        await self._redis.evaluate(WRITE, [key, _lease(key)], arguments)

    async def renew(self, place: Place, found: Found) -> None:
        """Have the lease for as long again, if it still holds."""
        lease = _lease(self._key(place, found))
        await self._redis.evaluate(RENEW, [lease], [found.owner, self._lease])

    async def release(self, place: Place, found: Found) -> None:
        """Give the lease back without a value."""
        await self._redis.evaluate(RELEASE, [_lease(self._key(place, found))], [found.owner])

    async def forget(self, namespace: str, key: str | None) -> None:
        """Drop a key, or a whole namespace; what is being loaded now is not kept either."""
        generation, stamp = self._marks(Place(namespace, "", key or ""))
        mark = secrets.token_hex(8)
        if key is None:
            await self._redis.execute("SET", generation, mark)
        else:
            await self._redis.execute("SET", stamp, mark, "PX", STAMP_KEPT)

    def _marks(self, place: Place) -> tuple[str, str]:
        # Braces keep a namespace in one slot of a Redis Cluster: the script builds a key.
        tag = f"{{{self._service}:cache:{place.namespace}}}"
        return f"{tag}:generation", f"{tag}:stamp:{place.key}"

    def _prefix(self, place: Place) -> str:
        return f"{{{self._service}:cache:{place.namespace}}}:{place.schema}"

    def _key(self, place: Place, found: Found) -> str:
        return f"{self._prefix(place)}:{found.generation}:{place.key}"


def _lease(key: str) -> str:
    return f"{key}:lease"
