"""The policy of a route, and the concern that limits an app."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import Request
from prometheus_client import CollectorRegistry
from starlette.middleware import Middleware

from chassis_core.concern import Concern, Layer, Service
from chassis_core.concerns.rate_limit.client import By, Named, key_of, key_of_api_key, key_of_name
from chassis_core.concerns.rate_limit.limiter import (
    Identify,
    Limiter,
    OnOutage,
    RateLimitSettings,
)
from chassis_core.concerns.rate_limit.middleware import RateLimitMiddleware, enforce
from chassis_core.concerns.rate_limit.policy import Policy, parse
from chassis_core.concerns.rate_limit.shared import Store
from chassis_core.problem import Problem


class RateLimit:
    """A limit of one route: `dependencies=[Depends(RateLimit("5/minute", by="address"))]`.

    Args:
        rates: one or more, such as `10/second; 1000/hour`; the request must fit them all.
        by: who is counted. A principal counts only when it is verified. An API key is what the
            caller sends in `rate_limit.key_header`: nobody has verified it, so whoever makes one
            up for each request is held by the limits of the address alone. A caller who has none
            is counted by address. Anything else a request names, such as the account of a login,
            is what a function returns for it; None is not counted.
        name: of the bucket, in headers and metrics; routes that give the same name share it. By
            default the name of the route's function, with a bucket for each such function.
        cost: units that one request uses.
        on_outage: while Redis fails, count in this process, let through (`open`) or answer 503
            (`closed`).

    Raises:
        ValueError: the rates cannot be read, or one request costs more than a whole limit.
    """

    def __init__(
        self,
        rates: str,
        *,
        by: By | Named = "address",
        name: str | None = None,
        cost: int = 1,
        on_outage: OnOutage = "local",
    ) -> None:
        limits = [policy.limit for policy in parse(rates, name or "route")]
        if not 1 <= cost <= min(limits):
            raise ValueError(f"cost {cost} does not fit the rates {rates!r}")
        self._rates = rates
        self._by = by
        self._name = name
        self._cost = cost
        self._on_outage = on_outage
        self._policies: dict[tuple[str, str], tuple[Policy, ...]] = {}

    def __str__(self) -> str:
        """Return it in words, such as `30/minute by principal, as place_order`."""
        by = self._by if isinstance(self._by, str) else self._by.__name__
        return f"{self._rates} by {by}" + (f", as {self._name}" if self._name else "")

    async def __call__(self, request: Request) -> None:
        """Count the request; refuse it over the limit."""
        limiter: Limiter = request.state.rate_limiter
        if (key := await self._key(request, limiter)) is None:
            return
        if (name := self._name) is None:
            route = request.scope["endpoint"]
            name, key = route.__name__, f"{key}@{route.__module__}.{route.__qualname__}"
        await enforce(
            limiter,
            request.scope,
            self._of(name, limiter.rates.get(name, self._rates)),
            key=key,
            cost=self._cost,
            on_outage=self._on_outage,
        )

    async def _key(self, request: Request, limiter: Limiter) -> str | None:
        if callable(self._by):
            named = await self._by(request)
            return None if named is None else key_of_name(named)
        if self._by == "principal" and limiter.identify is not None:
            # Dependencies of a decorator run before those of parameters, authentication too.
            with suppress(Problem):
                await limiter.identify(request)
        if self._by == "api_key" and (api_key := request.headers.get(limiter.key_header)):
            return key_of_api_key(api_key)
        return key_of(request.scope, self._by)

    def _of(self, name: str, rates: str) -> tuple[Policy, ...]:
        if (policies := self._policies.get((name, rates))) is None:
            policies = self._policies[name, rates] = parse(rates, name)
        return policies


def rate_limit(
    settings: RateLimitSettings,
    *,
    service: Service | None = None,
    registry: CollectorRegistry | None = None,
    store: Store | None = None,
    identify: Identify | None = None,
) -> Concern:
    """Return the concern that limits client addresses and serves the policies of routes.

    Args:
        settings: the default policy and what holds for all.
        service: whose keys they are in a shared Redis.
        registry: where the metrics go.
        store: the Redis client; in this process without it.
        identify: verifies the caller and leaves the principal in the scope as `PRINCIPAL`; a
            problem that it raises makes the caller a stranger.
    """
    prefix = f"{service.name}:limit" if service else "limit"
    limiter = Limiter(settings, store=store, prefix=prefix, registry=registry, identify=identify)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[Mapping[str, Any]]:
        yield {"rate_limiter": limiter}

    middleware = Middleware(
        RateLimitMiddleware,
        limiter=limiter,
        policies=parse(settings.default, "default") if settings.default else (),
        on_outage=settings.on_outage,
    )
    return Concern(name="rate_limit", middleware={Layer.RATE_LIMIT: middleware}, lifespan=lifespan)
