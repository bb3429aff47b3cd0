"""The limiter of an app: Redis where there is one, and the stated answer when it fails."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge
from pydantic import Field, field_validator
from starlette.requests import Request

from chassis_core.concern import ConcernSettings
from chassis_core.concerns.rate_limit.memory import MemoryLimiter
from chassis_core.concerns.rate_limit.policy import Decision, Policy, parse
from chassis_core.concerns.rate_limit.shared import RedisLimiter, Store
from chassis_core.problem import Unavailable

OnOutage = Literal["local", "open", "closed"]
Identify = Callable[[Request], Awaitable[object]]


class RateLimitSettings(ConcernSettings):
    """The limit that every client address has, and how limits live through an outage of Redis."""

    default: str | None = "200/second"
    """Rates of each client address over all routes: `200/second; 5000/minute`. High enough for an
    office or another service's instance behind one address, low enough to stop a flood. `null`
    switches it off; the policies of routes stay."""
    on_outage: OnOutage = "local"
    """What the default policy does while Redis fails: count in this process, let everything
    through, or answer 503."""
    replicas: int = Field(1, ge=1)
    """Instances that share a limit: in an outage each lets its share of it through."""
    max_keys: int = Field(100_000, ge=16)
    """Keys of one policy that a process remembers: about 25 MB of them."""

    key_header: str = Field("X-API-Key", pattern=r"^[A-Za-z0-9_-]+$")
    """The header with the API key, for limits of routes that count `by="api_key"`. It is the
    usual one; only a digest of its value is kept."""
    routes: dict[str, str] = Field({})
    """Rates in place of those that the code gives a route, by the name of the limit:
    `{"place_order": "100/second"}`, for a load test or in an attack."""

    @field_validator("default")
    @classmethod
    def _readable(cls, rates: str | None) -> str | None:
        if rates is not None:
            parse(rates, "default")
        return rates

    @field_validator("routes")
    @classmethod
    def _all_readable(cls, routes: dict[str, str]) -> dict[str, str]:
        for name, rates in routes.items():
            parse(rates, name)
        return routes


class Limiter:
    """Decides on the shared store, and by each policy's own rule while that store fails.

    Args:
        settings: of the rate limit.
        store: the Redis client; without one, or with one that has no URL, counting is local.
        prefix: of the keys in Redis.
        registry: where the metrics go.
        identify: verifies the caller before a policy by principal counts.
    """

    def __init__(
        self,
        settings: RateLimitSettings,
        *,
        store: Store | None = None,
        prefix: str = "limit",
        registry: CollectorRegistry | None = None,
        identify: Identify | None = None,
    ) -> None:
        self.identify = identify
        has_redis = store is not None and store.client is not None
        self._shared = RedisLimiter(store, prefix=prefix) if store and has_redis else None
        self.memory = MemoryLimiter(max_keys=settings.max_keys)
        self.rates = settings.routes
        self.key_header = settings.key_header
        self._replicas = settings.replicas
        self._shares: dict[str, Policy] = {}
        self._decisions = Counter(
            "rate_limit_decisions_total",
            "Decisions of each policy.",
            ["policy", "outcome"],
            registry=registry,
        )
        self._children: dict[tuple[str, bool], Counter] = {}
        self._degraded = Counter(
            "rate_limit_degraded_total",
            "Requests decided without Redis because it failed, by what was done instead.",
            ["policy", "answer"],
            registry=registry,
        )
        keys = Gauge("rate_limit_tracked_keys", "Keys counted in this process.", registry=registry)
        keys.set_function(lambda: len(self.memory))

    def hit_here(
        self, policies: Sequence[Policy], key: str, cost: int
    ) -> tuple[Decision, ...] | None:
        """Return what `policies` answer if this process alone decides, else None."""
        return None if self._shared else self.memory.hit(policies, key, cost)

    async def hit(
        self, policies: Sequence[Policy], key: str, cost: int = 1, on_outage: OnOutage = "local"
    ) -> tuple[Decision, ...]:
        """Return what `policies` answer; empty when a policy that fails open has no answer.

        Raises:
            Unavailable: Redis fails and the policy fails closed.
        """
        if self._shared is None:
            return self.memory.hit(policies, key, cost)
        try:
            return await self._shared.hit(policies, key, cost)
        except ConnectionError:
            return self._without_redis(policies, key, cost, on_outage)

    def count(self, policy: str, allowed: bool) -> None:
        """Count a decision in the metrics."""
        if (child := self._children.get((policy, allowed))) is None:
            child = self._decisions.labels(policy, "allowed" if allowed else "limited")
            self._children[policy, allowed] = child
        child.inc()

    def _without_redis(
        self, policies: Sequence[Policy], key: str, cost: int, on_outage: OnOutage
    ) -> tuple[Decision, ...]:
        for policy in policies:
            self._degraded.labels(policy.name, on_outage).inc()
        if on_outage == "closed":
            raise Unavailable("the limit cannot be checked now", headers={"Retry-After": "1"})
        if on_outage == "open":
            return ()
        return self.memory.hit([self._share(policy) for policy in policies], key, cost)

    def _share(self, policy: Policy) -> Policy:
        if policy.field not in self._shares:
            self._shares[policy.field] = policy.shared_by(self._replicas)
        return self._shares[policy.field]
