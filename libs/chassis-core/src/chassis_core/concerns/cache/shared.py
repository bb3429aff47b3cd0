"""The store that all replicas share, on Redis: one round trip a read, never FLUSHDB."""

import secrets
from collections.abc import Sequence
from typing import Any, Protocol

from chassis_core.concerns.cache.store import CacheKey, Found

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
local holder = ARGV[1]
if not redis.call('SET', key .. ':lease', holder, 'NX', 'PX', ARGV[4]) then
  holder = redis.call('GET', key .. ':lease')
end
return {generation, entry and string.sub(entry, 16), holder}
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

    async def read(self, key: CacheKey, token: str) -> Found:
        """Return what is there; if nothing fresh is, the lease goes to the first that asks."""
        arguments = [token, self._prefix(key), key.name, self._lease]
        generation, body, holder = await self._redis.evaluate(READ, self._marks(key), arguments)
        return Found(body, fresh=not holder, holder=holder.decode(), generation=generation.decode())

    async def write(
        self, key: CacheKey, found: Found, body: bytes, *, fresh: float, kept: float
    ) -> None:
        """Keep `body`, if the lease still holds."""
        entry = self._entry(key, found)
        arguments = [found.holder, int(fresh * 1000), max(1, int(kept * 1000)), body]
        await self._redis.evaluate(WRITE, [entry, _lease(entry)], arguments)

    async def renew(self, key: CacheKey, found: Found) -> None:
        """Have the lease for as long again, if it still holds."""
        lease = _lease(self._entry(key, found))
        await self._redis.evaluate(RENEW, [lease], [found.holder, self._lease])

    async def release(self, key: CacheKey, found: Found) -> None:
        """Give the lease back without a value."""
        await self._redis.evaluate(RELEASE, [_lease(self._entry(key, found))], [found.holder])

    async def forget(self, namespace: str, name: str | None) -> None:
        """Drop a name, or a whole namespace; what is being loaded now is not kept either."""
        generation, stamp = self._marks(CacheKey(namespace, "", name or ""))
        mark = secrets.token_hex(8)
        if name is None:
            await self._redis.execute("SET", generation, mark)
        else:
            await self._redis.execute("SET", stamp, mark, "PX", STAMP_KEPT)

    def _marks(self, key: CacheKey) -> tuple[str, str]:
        # Braces keep a namespace in one slot of a Redis Cluster: the script builds a key.
        tag = f"{{{self._service}:cache:{key.namespace}}}"
        return f"{tag}:generation", f"{tag}:stamp:{key.name}"

    def _prefix(self, key: CacheKey) -> str:
        return f"{{{self._service}:cache:{key.namespace}}}:{key.schema}"

    def _entry(self, key: CacheKey, found: Found) -> str:
        return f"{self._prefix(key)}:{found.generation}:{key.name}"


def _lease(entry: str) -> str:
    return f"{entry}:lease"
