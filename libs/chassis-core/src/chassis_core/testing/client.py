"""A client for an app in this process, with its lifespan running."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send


@asynccontextmanager
async def running(
    app: FastAPI, *, client: tuple[str, int] = ("127.0.0.1", 50_000), **options: Any
) -> AsyncIterator[httpx2.AsyncClient]:
    """Start `app`, yield a client for it, stop it.

    Args:
        app: any app; its lifespan runs as a server would run it, and its state reaches requests.
        client: the address that the app sees as its peer.
        options: passed on to `httpx2.AsyncClient`.
    """
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"] = dict(state or {})
            await app(scope, receive, send)

        transport = httpx2.ASGITransport(with_state, client=client, raise_app_exceptions=False)
        options.setdefault("base_url", "http://localhost")
        async with httpx2.AsyncClient(transport=transport, **options) as http:
            yield http
