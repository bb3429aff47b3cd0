"""The front door: the standard concerns of a service, and the app they make."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import BinaryIO, Self, TypedDict, Unpack

import httpx2
from fastapi import APIRouter
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry

from chassis_core.compose import App, compose
from chassis_core.concern import Concern, Service
from chassis_core.concerns.auth import KeySource, auth, get_current_user
from chassis_core.concerns.body_limit import body_limit
from chassis_core.concerns.cache import cache
from chassis_core.concerns.client_address import client_address
from chassis_core.concerns.clients import clients
from chassis_core.concerns.compression import compression
from chassis_core.concerns.cors import cors
from chassis_core.concerns.database import Database, database
from chassis_core.concerns.deadline import deadline
from chassis_core.concerns.errors import errors
from chassis_core.concerns.health import health
from chassis_core.concerns.idempotency import idempotency
from chassis_core.concerns.load import load
from chassis_core.concerns.logs import logs
from chassis_core.concerns.metrics import metrics
from chassis_core.concerns.outbox import outbox
from chassis_core.concerns.pagination import pagination
from chassis_core.concerns.rate_limit import rate_limit
from chassis_core.concerns.redis import Redis, redis
from chassis_core.concerns.request_id import request_id
from chassis_core.concerns.security_headers import security_headers
from chassis_core.concerns.tracing import tracer_provider, tracing
from chassis_core.concerns.trusted_hosts import trusted_hosts
from chassis_core.docs import docs_page
from chassis_core.migrations import migrations_of
from chassis_core.problem import responses_anywhere
from chassis_core.settings import ServiceSettings

DOCUMENT = "/openapi.json"


class Shared(TypedDict, total=False):
    """What concerns share. Each is made from the settings unless the caller brings it."""

    registry: CollectorRegistry
    tracer_provider: TracerProvider
    log_stream: BinaryIO
    database: Database
    redis: Redis
    keys: KeySource
    transport: httpx2.AsyncBaseTransport


_offered: ContextVar[Shared | None] = ContextVar("chassis_offered", default=None)


@contextmanager
def offering(**shared: Unpack[Shared]) -> Iterator[None]:
    """Let the apps that are made inside the block share these, unless they bring their own.

    For whoever makes an installed service's app, whose factory takes no arguments.
    """
    token = _offered.set(shared)
    try:
        yield
    finally:
        _offered.reset(token)


def create_app(
    settings: ServiceSettings,
    *,
    routers: Sequence[APIRouter] = (),
    concerns: Sequence[Concern] = (),
    **shared: Unpack[Shared],
) -> App:
    """Return the app of a service: its routers on the standard concerns and its own.

    Args:
        settings: the service's settings.
        routers: the service's routes.
        concerns: the service's own concerns. One with the name of a standard concern replaces it.
        shared: things that standard concerns share, to replace one of them.
    """
    own = {concern.name for concern in concerns}
    kept = [concern for concern in standard(settings, **shared) if concern.name not in own]
    return _app(settings, [*kept, *concerns], routers)


def share(settings: ServiceSettings, **shared: Unpack[Shared]) -> Shared:
    """Return `shared` with what is missing made from the settings, as `create_app` would.

    For a service that builds something of its own on the database or Redis, before there is an app.
    """
    shared = {**(_offered.get() or {}), **shared}
    registry = shared.setdefault("registry", CollectorRegistry())
    if "tracer_provider" not in shared:
        service = _service(settings)
        shared["tracer_provider"] = tracer_provider(service, settings.tracing, registry=registry)
    tracer = shared["tracer_provider"].get_tracer("chassis-core")
    if "database" not in shared:
        shared["database"] = Database(
            settings.database, registry=registry, tracer=tracer, application=settings.name
        )
    if "redis" not in shared:
        shared["redis"] = Redis(settings.redis, registry=registry, tracer=tracer)
    return shared


def standard(settings: ServiceSettings, **shared: Unpack[Shared]) -> list[Concern]:
    """Return the standard concerns, in the order in which they start."""
    shared = share(settings, **shared)
    service = _service(settings)
    registry, provider, db = shared["registry"], shared["tracer_provider"], shared["database"]
    tracer = provider.get_tracer("chassis-core")
    transport = shared.get("transport")
    store = shared["redis"]
    return [
        logs(settings.logs, service=service, stream=shared.get("log_stream")),
        redis(settings.redis, store=store),
        database(settings.database, database=db, migrations=migrations_of(type(settings))),
        outbox(settings.outbox, service=service, database=db, store=store, registry=registry),
        clients(settings.clients, registry=registry, tracer=tracer, transport=transport),
        auth(settings.auth, registry=registry, keys=shared.get("keys"), transport=transport),
        idempotency(settings.idempotency, registry=registry),
        pagination(settings.pagination),
        cache(settings.cache, service=service, registry=registry, store=store),
        rate_limit(
            settings.rate_limit,
            service=service,
            registry=registry,
            store=store,
            identify=get_current_user,
        ),
        tracing(settings.tracing, provider=provider),
        metrics(settings.metrics, service=service, registry=registry),
        load(settings.load, registry=registry),
        health(
            settings.health,
            service=service,
            settings_document=settings.model_dump(mode="json"),
            registry=registry,
        ),
        client_address(settings.client_address),
        request_id(),
        security_headers(settings.security_headers),
        cors(settings.cors),
        compression(settings.compression),
        trusted_hosts(settings.trusted_hosts, service=service),
        errors(),
        body_limit(settings.body_limit),
        deadline(settings.deadline),
    ]


class Chassis:
    """A builder over `compose`, for whoever picks the concerns by hand.

    The order of the calls does not matter: `Layer` decides.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._concerns: list[Concern] = []

    def add(self, concern: Concern) -> Self:
        """Add one concern."""
        self._concerns.append(concern)
        return self

    def build(self, *, routers: Sequence[APIRouter] = ()) -> App:
        """Return the app of the concerns added so far."""
        return _app(self._settings, self._concerns, routers)


def _service(settings: ServiceSettings) -> Service:
    return Service(settings.name, settings.version, settings.environment)


def _app(
    settings: ServiceSettings, concerns: Sequence[Concern], routers: Sequence[APIRouter]
) -> App:
    shown = settings.environment != "production"
    if shown:
        routers = [*routers, docs_page(settings.name, DOCUMENT)]
    app = compose(
        concerns,
        routers=routers,
        title=settings.name,
        version=settings.version,
        openapi_url=DOCUMENT if shown else None,
        docs_url=None,
        redoc_url=None,
        responses=responses_anywhere(),
    )
    app.settings = settings
    return app
