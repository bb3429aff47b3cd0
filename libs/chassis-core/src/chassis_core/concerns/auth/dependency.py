"""What routes ask for: the caller, and what the caller may do."""

import logging
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from chassis_core import context
from chassis_core.concern import PRINCIPAL
from chassis_core.concerns.auth.keys import KeysUnavailable
from chassis_core.concerns.auth.principal import Principal
from chassis_core.concerns.auth.token import InvalidToken
from chassis_core.concerns.auth.verifier import Verifier
from chassis_core.problem import Forbidden, Unauthenticated, Unavailable

log = logging.getLogger(__name__)

PUBLIC: dict[str, Any] = {"security": []}
"""For `openapi_extra` of a route that anyone may call: it says so in OpenAPI's own words, and so
tells it from one whose guard was forgotten."""
SHARED: dict[str, Any] = {"x-shared": True}
"""For `openapi_extra` of a route that reaches what other callers made, by design: it tells it from
one whose query has lost its owner."""
_RETRY_AFTER = "5"


class BearerToken(SecurityBase):
    """The dependency that gives a request's principal, shown in OpenAPI as bearer scheme."""

    def __init__(self) -> None:
        self.model = HTTPBearer(bearerFormat="JWT")
        self.scheme_name = "bearer"

    async def __call__(self, request: HTTPConnection) -> Principal:
        """Return the principal of the request.

        Raises:
            Unauthenticated: there is no token, or none to be believed.
            Unavailable: there are no keys to tell by.
        """
        known: Principal | None = request.scope.get(PRINCIPAL)
        if known is None:
            known = request.scope[PRINCIPAL] = await _authenticate(request)
        return known


get_current_user = BearerToken()
"""The dependency behind `CurrentUser`: override it in tests of a service's own logic."""

CurrentUser = Annotated[Principal, Depends(get_current_user)]
"""The verified caller: a parameter of this type makes a route answer 401 to everyone else."""


def require_scopes(*scopes: str) -> Callable[..., Awaitable[Principal]]:
    """Return a dependency that gives the principal if its token has all of `scopes`, else 403."""
    needed = frozenset(scopes)
    listed = " ".join(scopes)
    challenge = f'Bearer error="insufficient_scope", scope="{listed}"'

    async def principal_with_scopes(
        principal: Annotated[Principal, Security(get_current_user, scopes=scopes)],
    ) -> Principal:
        if not needed <= principal.scopes:
            raise Forbidden(
                f"The token lacks a scope: it needs {listed}.",
                headers={"WWW-Authenticate": challenge},
            )
        return principal

    principal_with_scopes.__doc__ = f"Whoever's token has the scopes {listed}."
    return principal_with_scopes


def require_roles(*roles: str, any_of: bool = False) -> Callable[..., Awaitable[Principal]]:
    """Return a dependency that gives the principal if it has the `roles`, else 403.

    Args:
        roles: the names of the roles.
        any_of: one of them is enough; otherwise it must have all.
    """
    needed = frozenset(roles)
    listed = f"{'one' if any_of else 'all'} of the roles {', '.join(roles)}"

    async def principal_with_roles(principal: CurrentUser) -> Principal:
        held = needed & principal.roles
        if held != needed and not (any_of and held):
            raise Forbidden(f"It takes {listed}.")
        return principal

    principal_with_roles.__doc__ = f"Whoever has {listed}."
    return principal_with_roles


async def _authenticate(request: HTTPConnection) -> Principal:
    verifier: Verifier = request.state.auth
    lines = [value for name, value in request.scope["headers"] if name == b"authorization"]
    # Two lines read as one value with a comma (RFC 9110 §5.2), which no token contains.
    header = b", ".join(lines)
    scheme, _, token = header.partition(b" ")
    token = token.strip(b" ")
    if scheme.lower() != b"bearer" or not token:
        raise Unauthenticated("This needs a bearer token.", headers={"WWW-Authenticate": "Bearer"})
    try:
        principal = await verifier.verify(token)
    except InvalidToken as refusal:
        log.info("token_refused", extra={"reason": refusal.reason})
        raise Unauthenticated(
            "The bearer token is not valid.",
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
        ) from None
    except KeysUnavailable:
        raise Unavailable(
            "Tokens cannot be verified now.", headers={"Retry-After": _RETRY_AFTER}
        ) from None
    _remember(principal, header)
    return principal


def _remember(principal: Principal, header: bytes) -> None:
    if (current := context.current()) is not None:
        current.authorization = header.decode("ascii")
        current.fields["enduser.id"] = principal.subject
