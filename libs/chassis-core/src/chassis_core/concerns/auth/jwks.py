"""Keys from a key set at a URL, kept fresh by one task beside the requests."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from random import uniform

import httpx2
from prometheus_client import CollectorRegistry, Counter, Gauge

from chassis_core.concerns.auth.fetch import Fetched, FetchFailed, fetch, jwks_client
from chassis_core.concerns.auth.key_set import parse_key_set
from chassis_core.concerns.auth.keys import Key, KeysUnavailable
from chassis_core.concerns.auth.settings import AuthSettings

log = logging.getLogger(__name__)


class Jwks:
    """The keys of a `jwks_url`: requests read them, one task fetches them.

    That there is one task is what makes a fetch single: a request with an unknown key can only
    ask for the next round, at most once in a cool-down, and wait for it a bounded time.
    """

    def __init__(
        self,
        settings: AuthSettings,
        *,
        registry: CollectorRegistry | None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._keys: Mapping[str | None, Sequence[Key]] = {}
        self._body = b""
        self._fetched_at = self._ended_at = float("-inf")
        self._fetching = False
        self._failures = 0
        self._wanted, self._round_over = asyncio.Event(), asyncio.Event()
        self._fetches = Counter(
            "auth_jwks_fetches", "Fetches of the key set.", ["outcome"], registry=registry
        )
        Gauge(
            "auth_jwks_age_seconds", "Time since the key set was last fetched.", registry=registry
        ).set_function(lambda: time.monotonic() - self._fetched_at)

    async def find(self, kid: str | None) -> Sequence[Key]:
        """Return the keys of that name; a name that is not known may have one fetch made.

        Raises:
            KeysUnavailable: there are no keys, or the issuer is down and may know this one.
        """
        if self._usable() and (keys := self._keys.get(kid)):
            return keys
        await self._next_round()
        if not self._usable():
            raise KeysUnavailable
        keys = self._keys.get(kid, ())
        if not keys and (self._failures or self._fetching):
            raise KeysUnavailable
        return keys

    async def ready(self) -> None:
        """Raise `KeysUnavailable` unless there are keys to verify with."""
        if not (self._usable() and self._keys):
            raise KeysUnavailable("no key has been fetched from jwks_url")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Fetch now, and again whenever it is due, until the context ends."""
        async with jwks_client(self._transport) as client:
            self._wanted, self._round_over = asyncio.Event(), asyncio.Event()
            self._fetching = True
            task = asyncio.create_task(self._keep_fresh(client))
            try:
                yield
            finally:
                task.cancel()
                await asyncio.wait([task])
                self._fetching = False

    def _usable(self) -> bool:
        age = time.monotonic() - self._fetched_at
        return age < self._settings.jwks_ttl + self._settings.jwks_max_stale

    async def _next_round(self) -> None:
        if not self._fetching:
            if time.monotonic() < self._ended_at + self._settings.jwks_cooldown:
                return
            self._wanted.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.jwks_wait):
                await self._round_over.wait()

    async def _keep_fresh(self, client: httpx2.AsyncClient) -> None:
        while True:
            self._fetching = True
            pause = await self._refresh(client)
            self._fetching = False
            self._ended_at = time.monotonic()
            self._round_over.set()
            self._round_over = asyncio.Event()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wanted.wait()
            self._wanted.clear()

    async def _refresh(self, client: httpx2.AsyncClient) -> float:
        """Fetch once; return the seconds until the next fetch is due."""
        try:
            fetched = await fetch(client, self._settings)
            self._take(fetched.body)
        except FetchFailed as error:
            return self._failed(error.outcome)
        except Exception as error:  # noqa: BLE001 - whatever was served, the task must live on
            return self._failed("malformed" if isinstance(error, ValueError) else "error")
        self._fetches.labels("ok").inc()
        self._failures = 0
        return self._due(fetched)

    def _take(self, body: bytes) -> None:
        if body != self._body:
            self._keys = parse_key_set(body, self._settings.accepted)
            self._body = body
            log.info("jwks_changed", extra={"keys": len(self._keys)})
        self._fetched_at = time.monotonic()

    def _failed(self, outcome: str) -> float:
        self._fetches.labels(outcome).inc()
        self._failures += 1
        log.warning("jwks_fetch_failed", extra={"outcome": outcome, "failures": self._failures})
        pause = min(self._settings.jwks_cooldown, 0.5 * 2.0 ** min(self._failures, 10))
        return pause * uniform(0.8, 1.0)  # noqa: S311 - spreads load, hides nothing

    def _due(self, fetched: Fetched) -> float:
        longest = self._settings.jwks_ttl
        wished = longest if fetched.max_age is None else fetched.max_age
        fresh = min(max(wished, self._settings.jwks_cooldown), longest)
        return fresh * uniform(0.7, 0.9)  # noqa: S311 - spreads load, hides nothing
