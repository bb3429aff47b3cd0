"""What a server span costs, FastAPI's and ours: `python -m bench.spans`.

One process, no server: the ASGI call of a bare route, each variant in turn, CPU time.
"""

import asyncio
import statistics
import time
from collections.abc import Mapping
from typing import Any

from chassis_core.concerns.tracing import TracingMiddleware
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from starlette.middleware import Middleware

from bench.apps import router

ROUNDS, REQUESTS = 7, 1500
OFF: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
SCOPE: Mapping[str, Any] = {
    "type": "http",
    "http_version": "1.1",
    "method": "GET",
    "path": "/ping",
    "raw_path": b"/ping",
    "query_string": b"",
    "root_path": "",
    "scheme": "http",
    "server": ("127.0.0.1", 80),
    "client": ("127.0.0.1", 50_000),
    "headers": [(b"host", b"localhost"), (b"accept", b"*/*")],
}


def _bare() -> FastAPI:
    return _app(FastAPI(telemetry=OFF))


def _native(ratio: float) -> FastAPI:
    telemetry: TelemetryConfig = {
        "tracer_provider": _provider(ratio),
        "operation_spans": False,
        "metrics": False,
        "logs": False,
    }
    return _app(FastAPI(telemetry=telemetry))


def _ours(ratio: float) -> FastAPI:
    layer = Middleware(TracingMiddleware, tracer=_provider(ratio).get_tracer("bench"))
    return _app(FastAPI(telemetry=OFF, middleware=[layer]))


def _app(app: FastAPI) -> FastAPI:
    app.include_router(router)
    return app


def _provider(ratio: float) -> TracerProvider:
    return TracerProvider(sampler=ParentBasedTraceIdRatio(ratio), shutdown_on_exit=False)


async def _receive() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(_: Any) -> None: ...


async def _microseconds(app: FastAPI) -> float:
    start = time.process_time()
    for _ in range(REQUESTS):
        await app(dict(SCOPE, state={}), _receive, _send)
    return (time.process_time() - start) / REQUESTS * 1e6


async def main() -> None:
    variants = {
        "bare": _bare(),
        "FastAPI's, not sampled": _native(0.0),
        "ours, not sampled": _ours(0.0),
        "FastAPI's, sampled": _native(1.0),
        "ours, sampled": _ours(1.0),
    }
    spent: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(ROUNDS):
        for name, app in variants.items():
            spent[name].append(await _microseconds(app))
    bare = spent.pop("bare")
    for name, values in spent.items():
        added = statistics.median(v - b for v, b in zip(values, bare, strict=True))
        print(f"{name:24} +{added:5.1f} us a request")


if __name__ == "__main__":
    asyncio.run(main())
