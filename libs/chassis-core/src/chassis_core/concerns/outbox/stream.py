"""A stream of events on Redis: each step is one script, and so one round trip, done or not."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

PUBLISH = """
local at = 2
while at <= #ARGV do
  local last = at + tonumber(ARGV[at])
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, at + 1, last))
  at = last + 1
end
return redis.call('XLEN', KEYS[1])
"""

# All replicas read as one: what a dead one left is the next that is read, in order.
NEXT = """
redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
local function read(from)
  local found = redis.call(
    'XREADGROUP', 'GROUP', ARGV[1], 'all', 'COUNT', 1, 'STREAMS', KEYS[1], from)
  return found and found[1][2][1]
end
local entry = read('0') or read('>')
if not entry then return false end
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], entry[1], entry[1], 1)
return {entry[1], pending[1][4], entry[2]}
"""

BURY = """
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, 4))
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
"""


class Redis(Protocol):
    """What a stream needs of Redis; `ConnectionError` is raised when it cannot be had."""

    @property
    def client(self) -> Any:
        """The driver's client, None when there is no Redis."""

    @property
    def down(self) -> bool:
        """True while Redis is left alone after a failure."""

    async def execute(self, *command: Any) -> Any:
        """Run one command."""

    async def evaluate(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run a Lua script."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A delivery.

    Attributes:
        id: its place in the stream.
        deliveries: how often it has been delivered, this time included.
        fields: None if the stream has dropped it meanwhile.
    """

    id: str
    deliveries: int
    fields: Mapping[str, bytes] | None


class Stream:
    """A stream by its name; entries beyond `length`, about, are dropped, the oldest first."""

    def __init__(self, redis: Redis, name: str, *, length: int) -> None:
        self._redis = redis
        self.name = name
        self._length = length

    async def check(self) -> None:
        """Raise at once if Redis is known to be away, so that nothing is begun in vain."""
        if self._redis.down:
            await self._redis.execute("PING")

    async def publish(self, events: Iterable[Mapping[str, str]]) -> int:
        """Append all `events` or none, and return how many entries there are now."""
        arguments: list[Any] = [self._length]
        for fields in events:
            arguments += [2 * len(fields), *_flat(fields)]
        length: int = await self._redis.evaluate(PUBLISH, [self.name], arguments)
        return length

    async def next(self, group: str) -> Entry | None:
        """Deliver the first entry that `group` has not acknowledged, or None."""
        found = await self._redis.evaluate(NEXT, [self.name], [group])
        if found is None:
            return None
        id_, deliveries, flat = found
        if flat is None:
            return Entry(id_.decode(), deliveries, None)
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return Entry(id_.decode(), deliveries, {n.decode(errors="replace"): v for n, v in pairs})

    async def acknowledge(self, group: str, entry: Entry) -> None:
        """Deliver `entry` to `group` no more."""
        await self._redis.execute("XACK", self.name, group, entry.id)

    async def bury(self, group: str, entry: Entry) -> None:
        """Move `entry` of `group` to its stream of the dead."""
        # The braces put both streams into one slot of a Redis Cluster.
        dead = f"{{{self.name}}}:dead:{group}"
        fields = _flat(entry.fields or {})
        await self._redis.evaluate(
            BURY, [self.name, dead], [group, entry.id, self._length, *fields]
        )


def _flat(fields: Mapping[str, Any]) -> list[Any]:
    return [part for pair in fields.items() for part in pair]
