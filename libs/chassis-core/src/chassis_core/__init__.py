"""The production foundation that a service stands on and does not rebuild."""

from chassis_core.app import Chassis, Shared, create_app, share, standard
from chassis_core.compose import App, ComposeError, compose
from chassis_core.concern import Concern, ConcernSettings, Fault, Layer
from chassis_core.concerns.auth import (
    PUBLIC,
    SHARED,
    CurrentUser,
    Principal,
    get_current_user,
    require_roles,
    require_scopes,
)
from chassis_core.concerns.cache import Cache
from chassis_core.concerns.clients import ClientSettings, ServiceClient, client
from chassis_core.concerns.database import Session
from chassis_core.concerns.idempotency import IDEMPOTENCY_KEY, Idempotent, idempotency_keys
from chassis_core.concerns.logs import get_logger
from chassis_core.concerns.outbox import (
    Event,
    Events,
    Subscription,
    consumers,
    inbox_events,
    outbox_events,
)
from chassis_core.concerns.pagination import Page
from chassis_core.concerns.rate_limit import RateLimit
from chassis_core.preconditions import IF_MATCH, IfMatch, IfNoneMatch, etag
from chassis_core.settings import InvalidSettings, ServiceSettings

__all__ = [
    "IDEMPOTENCY_KEY",
    "IF_MATCH",
    "PUBLIC",
    "SHARED",
    "App",
    "Cache",
    "Chassis",
    "ClientSettings",
    "ComposeError",
    "Concern",
    "ConcernSettings",
    "CurrentUser",
    "Event",
    "Events",
    "Fault",
    "Idempotent",
    "IfMatch",
    "IfNoneMatch",
    "InvalidSettings",
    "Layer",
    "Page",
    "Principal",
    "RateLimit",
    "ServiceClient",
    "ServiceSettings",
    "Session",
    "Shared",
    "Subscription",
    "client",
    "compose",
    "consumers",
    "create_app",
    "etag",
    "get_current_user",
    "get_logger",
    "idempotency_keys",
    "inbox_events",
    "outbox_events",
    "require_roles",
    "require_scopes",
    "share",
    "standard",
]
