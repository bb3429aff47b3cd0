"""The client of one other service."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import httpx2
from opentelemetry.trace import Tracer

from chassis_core import context
from chassis_core.concerns.clients.attempts import Attempts
from chassis_core.concerns.clients.credentials import CallersToken, Credentials, NoToken
from chassis_core.concerns.clients.failure import CallFailed, out_of_time
from chassis_core.concerns.clients.metrics import ClientMetrics
from chassis_core.concerns.clients.own_token import OwnToken
from chassis_core.concerns.clients.settings import ClientSettings
from chassis_core.concerns.clients.wire import Wire


class ServiceClient:
    """Calls one other service on behalf of the request in flight.

    Each call ends within the time that request has left, carries its trace, id and caller, and
    returns any answer below 500 that is not a redirect or a 429. Everything else is raised as the
    problem that our own caller should see.

    Args:
        name: of the other service, in errors, spans and metrics.
        settings: where it is and how patient to be.
        metrics: shared by the clients of an app.
        tracer: makes a span an attempt.
        transport: instead of the network.
    """

    def __init__(
        self,
        name: str,
        settings: ClientSettings,
        *,
        metrics: ClientMetrics | None = None,
        tracer: Tracer | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = name
        self._settings = settings
        metrics = metrics or ClientMetrics()
        wire = partial(Wire, settings=settings, metrics=metrics, tracer=tracer, transport=transport)
        self._wire = wire(name)
        self._credentials: Credentials = NoToken()
        if settings.auth == "caller":
            self._credentials = CallersToken()
        elif settings.auth == "service":
            self._credentials = OwnToken(name, settings, wire(f"{name}-token"))
        self._attempts = Attempts(
            name, settings, wire=self._wire, credentials=self._credentials, metrics=metrics
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._credentials.aclose()
        await self._wire.aclose()

    async def get(self, path: str, **options: Any) -> httpx2.Response:
        """Send a GET; see `request`."""
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> httpx2.Response:
        """Send a POST, retried only with an `Idempotency-Key` header; see `request`."""
        return await self.request("POST", path, **options)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """Send a request and return the answer with its body read.

        An `Authorization` among the `headers` is sent instead of the one that `auth` names.

        Raises:
            BadGateway: the answer is an error, a redirect, broken or too long.
            Unavailable: the service cannot be reached, is busy, or is known to fail.
            GatewayTimeout: there was no time, or no answer in it.
        """
        if not path.startswith("/") or path.startswith("//"):
            raise ValueError(f"path {path!r} must start with one slash")
        request = httpx2.Request(
            method, self._settings.url + path, params=params, json=json, headers=headers
        )
        deadline = time.monotonic() + self._time()
        try:
            return await self._attempts.make(request, deadline)
        except CallFailed as failed:
            raise failed.problem from failed.__cause__

    def _time(self) -> float:
        current = context.current()
        left = current.time_left() if current else None
        time_left = self._settings.timeout if left is None else min(left, self._settings.timeout)
        if time_left <= 0:
            raise out_of_time(self.name)
        return time_left
