"""One attempt on the wire: what is sent, how it is traced, and how much is read back."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager
from typing import cast

import httpx2
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis_core import context
from chassis_core.concerns.clients.failure import CallFailed, from_error, from_status, out_of_time
from chassis_core.concerns.clients.metrics import ClientMetrics, known
from chassis_core.concerns.clients.settings import ClientSettings
from chassis_core.problem import BadGateway

_TRACE_CONTEXT = TraceContextTextMapPropagator()


class Wire:
    """Sends single attempts to one service, each in its own client span.

    It stands on a bare transport: httpx2's client would add redirects, proxies of the environment
    and a cookie jar that all our callers share.
    """

    def __init__(
        self,
        name: str,
        settings: ClientSettings,
        *,
        metrics: ClientMetrics,
        tracer: Tracer | None,
        transport: httpx2.AsyncBaseTransport | None,
    ) -> None:
        self._name = name
        self._settings = settings
        self._metrics = metrics
        self._tracer = tracer or trace.NoOpTracer()
        self._owned = None if transport else _transport(settings)
        self._transport = transport or self._owned

    async def aclose(self) -> None:
        """Close the connections, unless the transport was brought by the caller."""
        if self._owned is not None:
            await self._owned.aclose()

    async def send(self, request: httpx2.Request, left: float, number: int = 1) -> httpx2.Response:
        """Send attempt `number` of `request` with `left` seconds for the call, and read the answer.

        Raises:
            CallFailed: there is no answer that our caller could use.
        """
        given = min(left, self._settings.attempt_timeout)
        start = time.perf_counter()
        outcome, response = "cancelled", None
        with self._span(request, number) as span:
            self._address(request, span, given)
            try:
                response = await self._exchange(request, given)
                outcome = str(response.status_code)
            except CallFailed as failed:
                outcome = failed.outcome
                raise
            finally:
                _describe(span, outcome, failed=response is None)
                seconds = time.perf_counter() - start
                self._metrics.observe(self._name, request.method, outcome, seconds)
        return response

    async def _exchange(self, request: httpx2.Request, given: float) -> httpx2.Response:
        connect = min(given, self._settings.connect_timeout)
        request.extensions["timeout"] = {"connect": connect, "pool": connect}
        try:
            # httpx2 bounds each read, not their sum: a slow drip would never end.
            async with asyncio.timeout(given):
                return await self._read(request)
        except TimeoutError as error:
            # A caller in a hurry says nothing about the health of the other service.
            counts = given >= self._settings.connect_timeout
            raise CallFailed(out_of_time(self._name), "timeout", counts=counts) from error
        except httpx2.HTTPError as error:
            raise from_error(self._name, error) from error

    async def _read(self, request: httpx2.Request) -> httpx2.Response:
        if self._transport is None:
            raise RuntimeError(f"the client of {self._name} is closed")
        response = await self._transport.handle_async_request(request)
        try:
            if failed := from_status(self._name, response):
                raise failed
            if response.headers.get("content-encoding", "identity") != "identity":
                raise self._unusable("answered with a coding that was not asked for", "encoding")
            body = await self._body(response)
        finally:
            await response.aclose()
        return httpx2.Response(
            response.status_code, headers=response.headers, content=body, request=request
        )

    async def _body(self, response: httpx2.Response) -> bytes:
        body = bytearray()
        chunks = aiter(cast("httpx2.AsyncByteStream", response.stream))
        try:
            async for chunk in chunks:
                body += chunk
                if len(body) > self._settings.max_response:
                    raise self._unusable("answered with too much", "too_large")
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()
        return bytes(body)

    def _unusable(self, what: str, outcome: str) -> CallFailed:
        return CallFailed(BadGateway(f"{self._name} {what}"), outcome, again=False)

    def _address(self, request: httpx2.Request, span: Span, given: float) -> None:
        headers = request.headers
        headers["Accept-Encoding"] = "identity"
        # Of this attempt: nobody will wait for its answer while the next one is under way.
        headers["X-Request-Deadline-Ms"] = str(max(1, int(given * 1000)))
        if (current := context.current()) is not None:
            headers["X-Request-ID"] = current.request_id
        carrier: dict[str, str] = {}
        _TRACE_CONTEXT.inject(carrier, trace.set_span_in_context(span))
        headers.update(carrier)

    def _span(self, request: httpx2.Request, number: int) -> AbstractContextManager[Span]:
        url = request.url
        attributes: dict[str, str | int] = {
            "http.request.method": known(request.method),
            "server.address": url.host,
            "server.port": url.port or (443 if url.scheme == "https" else 80),
            "url.full": f"{url.scheme}://{url.netloc.decode()}{url.path}",
            "peer.service": self._name,
        }
        if number > 1:
            attributes["http.request.resend_count"] = number - 1
        return self._tracer.start_as_current_span(
            known(request.method),
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        )


def _describe(span: Span, outcome: str, *, failed: bool) -> None:
    if outcome.isdigit():
        span.set_attribute("http.response.status_code", int(outcome))
    if failed or outcome >= "400":
        span.set_attribute("error.type", outcome)
        span.set_status(StatusCode.ERROR)


def _transport(settings: ClientSettings) -> httpx2.AsyncHTTPTransport:
    limits = httpx2.Limits(
        max_connections=settings.max_in_flight,
        max_keepalive_connections=settings.max_in_flight,
        keepalive_expiry=30,
    )
    return httpx2.AsyncHTTPTransport(limits=limits, trust_env=False)
