"""The probes and the info page of the admin listener."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from chassis_core.concern import ConcernSettings
from chassis_core.concerns.health.readiness import Readiness, Report

_NO_STORE = {"cache-control": "no-store"}


class HealthSettings(ConcernSettings):
    """How patient and how eager the readiness check is."""

    timeout: float = Field(1.0, gt=0)
    """Seconds that one check may take: below the 2 s within which a probe must be answered."""
    ttl: float = Field(1.0, ge=0)
    """Seconds for which a result is given again, so that no number of probes can load what they
    ask about."""


class Health:
    """Answers the probes of one app.

    Args:
        readiness: runs the checks.
        about: what `/info` says of the service, without secrets.
    """

    def __init__(self, readiness: Readiness, about: Mapping[str, Any]) -> None:
        self._readiness = readiness
        self._about = about
        self._since = time.monotonic()

    def router(self) -> APIRouter:
        """Return the admin routes."""
        router = APIRouter()
        endpoints: dict[str, Callable[..., Any]] = {
            "/livez": self.alive,
            "/readyz": self.ready,
            "/startupz": self.started,
            "/info": self.info,
        }
        for path, endpoint in endpoints.items():
            router.add_api_route(path, endpoint, methods=["GET", "HEAD"])
        return router

    async def alive(self) -> JSONResponse:
        """Say that the process serves requests: no dependency can change it."""
        return _answer(Report())

    async def ready(self, request: Request) -> JSONResponse:
        """Say whether requests may be sent here, and what stands against it."""
        concerns = getattr(request.app.state, "concerns", ())
        return _answer(await self._readiness.report(concerns))

    async def started(self, request: Request) -> JSONResponse:
        """Say whether every concern has opened what it needs."""
        up = getattr(request.app.state, "started", True)
        return _answer(Report("ok" if up else "unavailable"))

    async def info(self) -> JSONResponse:
        """Say what runs here, since when and with which settings."""
        uptime = round(time.monotonic() - self._since, 3)
        return JSONResponse({**self._about, "uptime_seconds": uptime}, headers=_NO_STORE)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[Mapping[str, Any]]:
        """Count the uptime from here; end the checks under way at the close."""
        self._since = time.monotonic()
        try:
            yield {}
        finally:
            self._readiness.close()


def _answer(report: Report) -> JSONResponse:
    status = 503 if report.status == "unavailable" else 200
    return JSONResponse(asdict(report), status, _NO_STORE)
