"""One line a request: who asked what, and what came of it."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis_core import context
from chassis_core.concern import http_route
from chassis_core.concerns.logs.pipeline import Pipeline, leave_pipeline, use_pipeline
from chassis_core.redaction import scrub

_MAX_PATH = 512


class AccessLogMiddleware:
    """Writes the access line, and sends every line of the request to the app's own pipeline.

    The query string stays out: it is where secrets travel. A request whose client left before an
    answer began has status 499.
    """

    def __init__(self, app: ASGIApp, *, pipeline: Pipeline, enabled: bool = True) -> None:
        self._app = app
        self._pipeline = pipeline
        self._enabled = enabled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request and write its line."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        token = use_pipeline(self._pipeline)
        start = time.perf_counter()
        status = 499

        async def send_watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_watched)
        finally:
            if self._enabled:
                self._log(scope, status, time.perf_counter() - start)
            leave_pipeline(token)

    def _log(self, scope: Scope, status: int, seconds: float) -> None:
        request = context.current()
        client = scope.get("client")
        self._pipeline.request_line(
            "info" if status < 500 else "error",
            {
                "http.request.method": scope["method"],
                "url.path": scrub(scope["path"])[:_MAX_PATH],
                "http.route": http_route(scope),
                "http.response.status_code": status,
                "duration_ms": round(seconds * 1000, 2),
                "client.address": client[0] if client else None,
            },
            request.fields if request else {},
        )
