"""Trusted hosts: a request for a name that is not ours is refused before anything believes it."""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from pydantic import field_validator
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis_core.concern import Concern, ConcernSettings, Layer, Service
from chassis_core.problem import REFUSAL, BadRequest, send_problem

_NAME = r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?"
_HOST = re.compile(rf"(\[[0-9a-f:.]+\]|{_NAME})\.?(?::\d{{0,5}})?", re.IGNORECASE | re.ASCII)
_PATTERN = re.compile(rf"\*|\[[0-9a-f:.]+\]|(\*\.)?{_NAME}", re.IGNORECASE | re.ASCII)
_REFUSAL = "The Host header names no host that this service answers for."


class TrustedHostsSettings(ConcernSettings):
    """The names that this service may be asked for."""

    allowed: tuple[str, ...] = (
        "localhost",
        "127.0.0.1",
        "[::1]",
        "*.svc",
        "*.svc.cluster.local",
    )
    """Host names without port, exact or as `*.example.org`, which is every name below it. The
    default is this machine and names inside a cluster, which no stranger can own; add the public
    ones. The service's own name is always one. `*` alone takes every name and checks nothing."""

    @field_validator("allowed")
    @classmethod
    def _refuse_other_shapes(cls, allowed: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_PATTERN.fullmatch(pattern) for pattern in allowed):
            raise ValueError("each must be a host name without scheme and port, or *.example.org")
        return tuple(pattern.lower() for pattern in allowed)


class TrustedHostsMiddleware:
    """Answers 400 unless there is one well-formed `Host` header that names an allowed host.

    Args:
        app: the app within.
        allowed: host names, exact or as `*.example.org`, lower-case.
    """

    def __init__(self, app: ASGIApp, *, allowed: Iterable[str]) -> None:
        self._app = app
        patterns = set(allowed)
        self._any = "*" in patterns
        self._suffixes = tuple(name[1:] for name in patterns if name.startswith("*."))
        self._names = frozenset(name for name in patterns if not name.startswith("*"))
        self._trusts: Callable[[bytes], bool] = lru_cache(256)(self._match)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        # A request that the HTTP protocol refused has its own answer, further inside.
        if self._any or scope["type"] == "lifespan" or REFUSAL in scope:
            await self._app(scope, receive, send)
            return
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) == 1 and self._trusts(hosts[0]):
            await self._app(scope, receive, send)
        else:
            await send_problem(BadRequest(_REFUSAL), scope, receive, send)

    def _match(self, header: bytes) -> bool:
        if not (match := _HOST.fullmatch(header.decode("latin-1"))):
            return False
        host = match[1].lower()
        return host in self._names or host.endswith(self._suffixes)


def trusted_hosts(settings: TrustedHostsSettings, *, service: Service | None = None) -> Concern:
    """Return the concern that refuses requests for other hosts.

    Args:
        settings: the names.
        service: its own name is trusted too, as that is how other services call it.
    """
    own = [service.name.lower()] if service else []
    layer = Middleware(TrustedHostsMiddleware, allowed=[*settings.allowed, *own])
    return Concern(name="trusted_hosts", middleware={Layer.TRUSTED_HOST: layer})
