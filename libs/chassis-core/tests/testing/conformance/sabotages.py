"""Ways to weaken a service, or the chassis under it, and the promises that must then break."""

import asyncio
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any
from uuid import UUID

import pytest
from chassis_core import (
    PUBLIC,
    App,
    Chassis,
    Concern,
    CurrentUser,
    Principal,
    Session,
    get_logger,
    standard,
)
from chassis_core.concerns.client_address import ClientAddressSettings
from chassis_core.concerns.cors import CorsSettings
from chassis_core.concerns.database import database
from chassis_core.concerns.deadline import DeadlineSettings
from chassis_core.concerns.logs import LogsSettings
from chassis_core.concerns.rate_limit import RateLimit, RateLimitSettings
from chassis_core.problem import Unauthenticated, responses
from chassis_core.protocol.cycle import Cycle
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from notes.api import router
from notes.main import app
from notes.models import Note
from notes.settings import Settings
from pydantic import BaseModel
from sqlalchemy import Column, Integer, MetaData, Table, true

log = get_logger(__name__)
Make = Callable[[], App]


@dataclass(frozen=True)
class Sabotage:
    """One way.

    Attributes:
        breaks: promises that must break, with spaces between.
        make: makes the weakened service.
        weaken: weakens the chassis itself.
    """

    breaks: str
    make: Make = app
    weaken: Callable[[pytest.MonkeyPatch], None] | None = None


def without(name: str) -> Make:
    return partial(app, concerns=[Concern(name=name)])


def settings(**changes: Any) -> Make:
    """Return the service with other defaults in its settings."""
    space = {"__annotations__": {k: type(v) for k, v in changes.items()}} | changes
    # Beside the real one, where its migrations are found.
    space["__module__"] = Settings.__module__
    return partial(app, type("Settings", (Settings,), space))


def route(method: str, path: str, endpoint: Callable[..., Any], **options: Any) -> Make:
    """Return the service with one route more."""
    options = {"responses": responses(401, 422)} | options
    router = APIRouter()
    router.add_api_route(path, endpoint, methods=[method], **options)
    return partial(app, routers=[router])


def deaf_to_drain() -> App:
    chassis = Chassis(settings := Settings())
    for concern in standard(settings):
        chassis.add(replace(concern, on_drain=None) if concern.name == "health" else concern)
    return chassis.build(routers=[router])


class Believing:
    async def verify(self, _: bytes) -> Principal:
        return Principal("root", "issuer", "notes", frozenset(), frozenset(), {})


class Doubting:
    async def verify(self, _: bytes) -> Principal:
        raise Unauthenticated(headers={"WWW-Authenticate": "Bearer"})


def verifying(verifier: object) -> Make:
    @asynccontextmanager
    async def lifespan():
        yield {"auth": verifier}

    return partial(app, concerns=[Concern(name="auth", lifespan=lifespan)])


def blind_to_migrations() -> App:
    return app(concerns=[database(Settings().database)])


class Loose(BaseModel):
    text: str


class OwnError(BaseModel):
    oops: str


async def add_loosely(loose: Loose, _: CurrentUser) -> None:
    log.info("added", text=loose.text)


async def read_anyones(note_id: UUID, session: Session, _: CurrentUser) -> str:
    return (await session.get_one(Note, note_id)).text


async def log_the_body(request: Request, _: CurrentUser) -> None:
    log.info("came", body=(await request.body()).decode())


async def block(_: CurrentUser) -> None:
    time.sleep(0.3)  # noqa: ASYNC251 - it is the sabotage


async def block_when_asked_well(word: str, user: CurrentUser) -> None:
    await block(user)


async def block_on_a_note(_: Loose, user: CurrentUser) -> None:
    await block(user)


async def nothing(_: CurrentUser) -> None:
    pass


async def open_to_all() -> None:
    pass


async def document(request: Request) -> Any:
    return get_openapi(title="", version="", routes=request.app.routes)


async def tell(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": repr(error)}, 500)


def wrapped() -> App:
    made = app()

    class Boasting:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def boast(message: Any) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message["headers"], (b"server", b"Boast/1.0")]
                await send(message)

            await self.app(scope, receive, boast)

    made.add_middleware(Boasting)
    return made


def mounted() -> App:
    made = app()
    made.mount("/inner", FastAPI())
    return made


@asynccontextmanager
async def leave_a_task():
    task = asyncio.create_task(asyncio.sleep(60))
    yield {"left": task}


def forget_a_table(patch: pytest.MonkeyPatch) -> None:
    metadata = MetaData()
    Table("forgotten", metadata, Column("id", Integer, primary_key=True))
    patch.setattr("notes.models.metadata", metadata)


def forget_the_owner(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("notes.api.belongs_to", lambda _: true())


def lax_framing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("chassis_core.protocol.strict.check_host", lambda *_: None)


def close_without_a_word(patch: pytest.MonkeyPatch) -> None:
    async def run_asgi(self: Cycle, app: Any) -> None:
        await finish(self, app)
        self._connection.close()

    finish = Cycle.run_asgi
    patch.setattr(Cycle, "run_asgi", run_asgi)


def label_by_path(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("chassis_core.concerns.metrics.http_route", lambda scope: scope["path"])


def keep_causes_quiet(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("chassis_core.concerns.errors._record", lambda _: None)


def repeat_the_input(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        "chassis_core.concerns.errors.describe",
        lambda errors: [{"input": str(error["input"])} for error in errors],
    )


class OpenlySecret(Settings):
    api_key: str = "a key that anyone may read"


OpenlySecret.__module__ = Settings.__module__
EVERYONE = ClientAddressSettings(trusted_proxies=["0.0.0.0/1", "128.0.0.0/1"])
ANYWHERE = CorsSettings(allow_origins=("*",))

SABOTAGES = {
    "no request id": Sabotage(
        "answers-are-numbered hostile-ids-are-replaced errors-are-problems "
        "answers-are-logged-once the-foundation-is-whole",
        without("request_id"),
    ),
    "no logs": Sabotage(
        "answers-are-logged-once failures-are-explained-in-the-log the-foundation-is-whole",
        without("logs"),
    ),
    "no tracing": Sabotage("answers-are-traced answers-are-logged-once", without("tracing")),
    "no metrics": Sabotage("answers-are-counted-once metrics-are-exposed", without("metrics")),
    "no security headers": Sabotage("answers-defend-browsers", without("security_headers")),
    "no errors": Sabotage(
        "errors-are-problems failures-are-explained-in-the-log", without("errors")
    ),
    "no load": Sabotage("load-is-shed the-foundation-is-whole", without("load")),
    "no rate limit": Sabotage("callers-are-limited", without("rate_limit")),
    "no body limit": Sabotage(
        "bodies-are-bounded json-is-read-strictly other-types-are-refused", without("body_limit")
    ),
    "no deadline": Sabotage("deadlines-are-kept", without("deadline")),
    "no trusted hosts": Sabotage("foreign-hosts-are-refused", without("trusted_hosts")),
    "no compression": Sabotage("compression-is-asked-for", without("compression")),
    "no health": Sabotage("probes-answer draining-says-so-and-serves", without("health")),
    "no database": Sabotage(
        "unmigrated-is-not-ready good-tokens-are-believed", without("database")
    ),
    "no idempotency": Sabotage("good-tokens-are-believed", without("idempotency")),
    "a database that knows no migrations": Sabotage("unmigrated-is-not-ready", blind_to_migrations),
    "health that hears of no drain": Sabotage(
        "draining-says-so-and-serves the-foundation-is-whole", deaf_to_drain
    ),
    "a verifier that believes all": Sabotage("forged-tokens-are-refused", verifying(Believing())),
    "a verifier that believes none": Sabotage("good-tokens-are-believed", verifying(Doubting())),
    "every proxy trusted": Sabotage(
        "forwarded-addresses-are-not-believed", settings(client_address=EVERYONE)
    ),
    "every origin allowed": Sabotage("foreign-origins-are-refused", settings(cors=ANYWHERE)),
    "a deadline of an hour": Sabotage(
        "limits-are-sane", settings(deadline=DeadlineSettings(timeout=3600))
    ),
    "a rate that nobody meets": Sabotage(
        "limits-are-sane", settings(rate_limit=RateLimitSettings(default="20000/seconds"))
    ),
    "no access log": Sabotage(
        "limits-are-sane answers-are-logged-once", settings(logs=LogsSettings(access=False))
    ),
    "a secret that is a plain str": Sabotage(
        "secrets-stay-in-the-settings", partial(app, OpenlySecret)
    ),
    "a route that nobody guards": Sabotage(
        "operations-are-guarded", route("GET", "/v1/open", open_to_all)
    ),
    "a write that anyone may do without limit": Sabotage(
        "open-writes-are-limited", route("POST", "/v1/open", open_to_all, openapi_extra=PUBLIC)
    ),
    "a write that anyone may do who makes up API keys": Sabotage(
        "open-writes-are-limited",
        route(
            "POST",
            "/v1/open",
            open_to_all,
            openapi_extra=PUBLIC,
            dependencies=[Depends(RateLimit("10/minute", by="api_key"))],
        ),
    ),
    "a query without its owner": Sabotage("callers-are-kept-apart", weaken=forget_the_owner),
    "a route that asks for no owner": Sabotage(
        "callers-are-kept-apart", route("GET", "/v1/notes/{note_id}/text", read_anyones)
    ),
    "a model that ignores fields": Sabotage(
        "unknown-fields-are-refused", route("POST", "/v1/loose", add_loosely)
    ),
    "a handler that logs bodies": Sabotage(
        "credentials-stay-with-the-caller", route("POST", "/v1/logged", log_the_body)
    ),
    "a handler that blocks": Sabotage("the-loop-is-not-blocked", route("GET", "/v1/block", block)),
    "a handler that blocks and requires a parameter": Sabotage(
        "the-loop-is-not-blocked", route("GET", "/v1/block", block_when_asked_well)
    ),
    "a handler that blocks once it has read its body": Sabotage(
        "the-loop-is-not-blocked", route("POST", "/v1/block", block_on_a_note)
    ),
    "a route that no document shows": Sabotage(
        "no-route-is-hidden", route("GET", "/v1/hidden", nothing, include_in_schema=False)
    ),
    "an app inside the app": Sabotage("no-route-is-hidden", mounted),
    "metrics among the public routes": Sabotage(
        "admin-routes-are-not-public", route("GET", "/metrics", nothing)
    ),
    "the document among the public routes": Sabotage(
        "documents-are-hidden-in-production", route("GET", "/openapi.json", document)
    ),
    "errors of its own": Sabotage(
        "errors-are-documented",
        route("GET", "/v1/own", nothing, responses={404: {"model": OwnError}}),
    ),
    "a creation that nobody can repeat": Sabotage(
        "creations-can-be-repeated", route("POST", "/v1/again", nothing, status_code=201)
    ),
    "a route for TRACE": Sabotage(
        "unknown-methods-are-refused", route("TRACE", "/v1/trace", nothing)
    ),
    "middleware from outside": Sabotage("layers-stand-in-order answers-name-no-server", wrapped),
    "one app for all": Sabotage("apps-share-nothing", cache(app)),
    "a task that stays": Sabotage(
        "nothing-outlives-the-service",
        partial(app, concerns=[Concern(name="left", lifespan=leave_a_task)]),
    ),
    "a handler that tells causes": Sabotage(
        "errors-tell-nothing",
        partial(app, concerns=[Concern(name="told", error_handlers={RuntimeError: tell})]),
    ),
    "a table that no migration makes": Sabotage(
        "migrations-make-the-models", weaken=forget_a_table
    ),
    "a lax server": Sabotage("ambiguous-requests-are-refused", weaken=lax_framing),
    "a server that closes without a word": Sabotage(
        "failures-leave-the-connection-usable", weaken=close_without_a_word
    ),
    "paths as labels": Sabotage("strangers-make-no-series", weaken=label_by_path),
    "causes that stay quiet": Sabotage(
        "failures-are-explained-in-the-log", weaken=keep_causes_quiet
    ),
    "errors that repeat the input": Sabotage("errors-tell-nothing", weaken=repeat_the_input),
}
"""By what was done."""
