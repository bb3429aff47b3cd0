"""The concern: builds the key source and the verifier that the settings ask for."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import Any

import httpx2
from prometheus_client import CollectorRegistry

from chassis_core.concern import Concern
from chassis_core.concerns.auth.diagnosis import diagnose
from chassis_core.concerns.auth.jwks import Jwks
from chassis_core.concerns.auth.keys import KeySource
from chassis_core.concerns.auth.settings import AuthSettings
from chassis_core.concerns.auth.static_keys import NoKeys, StaticKeys, hmac_keys, public_keys
from chassis_core.concerns.auth.verifier import Verifier

log = logging.getLogger(__name__)


def auth(
    settings: AuthSettings,
    *,
    registry: CollectorRegistry | None = None,
    keys: KeySource | None = None,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> Concern:
    """Return the concern that knows the caller of a request.

    Args:
        settings: which tokens are believed.
        registry: takes the metrics.
        keys: where keys come from, in place of what the settings' mode says: for a service that
            issues tokens and verifies its own. Issuer and audience must then be set.
        transport: carries the fetches of mode jwks, for tests and proxies.

    Raises:
        ValueError: `keys` are given, and the settings lack issuer or audience.
    """
    if keys is not None and not (settings.issuer and settings.audience):
        raise ValueError("auth with keys of its own needs issuer and audience")
    source = keys or _source(settings, registry, transport)
    verifier = Verifier(settings, source, registry=registry)
    jwks = source if isinstance(source, Jwks) else None

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[Mapping[str, Any]]:
        if isinstance(source, NoKeys):
            log.warning("auth_refuses_everyone", extra={"fix": "set the auth mode"})
        async with jwks.running() if jwks else nullcontext():
            yield {"auth": verifier}

    return Concern(
        name="auth",
        lifespan=lifespan,
        ready=jwks.ready if jwks else None,
        diagnose=None if keys else partial(diagnose, settings, transport),
    )


def _source(
    settings: AuthSettings,
    registry: CollectorRegistry | None,
    transport: httpx2.AsyncBaseTransport | None,
) -> KeySource:
    if settings.mode == "jwks":
        return Jwks(settings, registry=registry, transport=transport)
    if settings.secret:
        return StaticKeys(hmac_keys(settings.secret.get_secret_value(), settings.accepted))
    if settings.public_key:
        return StaticKeys(public_keys(settings.public_key, settings.accepted))
    return NoKeys()
