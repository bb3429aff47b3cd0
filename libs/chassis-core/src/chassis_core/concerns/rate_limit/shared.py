"""The limiter that all replicas share: one script and one round trip a decision, on Redis."""

from collections.abc import Sequence
from typing import Any, Protocol

from chassis_core.concerns.rate_limit.policy import Decision, Policy, decide

CLOCK = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
"""

GCRA = """
local cost, ahead, admitted = tonumber(ARGV[1]), {}, true
for i, key in ipairs(KEYS) do
  local arrival = tonumber(redis.call('GET', key) or 0)
  ahead[i] = math.max(arrival - now, 0)
  admitted = admitted and ahead[i] + cost * tonumber(ARGV[2 * i]) <= tonumber(ARGV[2 * i + 1])
end
if admitted and cost > 0 then
  for i, key in ipairs(KEYS) do
    local used = ahead[i] + cost * tonumber(ARGV[2 * i])
    redis.call('SET', key, string.format('%.0f', now + used), 'PX', math.ceil(used / 1000))
  end
end
return ahead
"""


class Store(Protocol):
    """What a limiter needs of Redis; `ConnectionError` is raised when it cannot be had."""

    @property
    def client(self) -> Any:
        """The driver's client, None when there is no Redis."""

    async def evaluate(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run a Lua script."""


class RedisLimiter:
    """GCRA on Redis, on the clock of the server.

    Args:
        store: the Redis client.
        prefix: of every key, so that two services never share a bucket.
        clock: Lua that sets `now` to microseconds; a test may bring a clock of its own.
    """

    def __init__(self, store: Store, *, prefix: str = "limit", clock: str = CLOCK) -> None:
        self._store = store
        self._prefix = prefix
        self._script = clock + GCRA

    async def hit(
        self, policies: Sequence[Policy], key: str, cost: int = 1
    ) -> tuple[Decision, ...]:
        """Use `cost` units of `key` under every policy if all allow it, and say what each says.

        Raises:
            ConnectionError: Redis gave no answer.
        """
        # Braces keep a client's buckets in one slot of a Redis Cluster.
        keys = [f"{self._prefix}:{{{key}}}:{policy.name}" for policy in policies]
        arguments = [cost, *(value for p in policies for value in (p.unit, p.window))]
        ahead = await self._store.evaluate(self._script, keys, arguments)
        return decide(policies, ahead, cost)
