"""Auth: bearer tokens verified by a shared secret, a public key or a JWKS, into one principal."""

from chassis_core.concerns.auth.concern import auth
from chassis_core.concerns.auth.dependency import (
    PUBLIC,
    SHARED,
    CurrentUser,
    get_current_user,
    require_roles,
    require_scopes,
)
from chassis_core.concerns.auth.jwks import Jwks
from chassis_core.concerns.auth.keys import Key, KeySource, KeysUnavailable
from chassis_core.concerns.auth.principal import Principal
from chassis_core.concerns.auth.settings import AuthSettings
from chassis_core.concerns.auth.token import InvalidToken
from chassis_core.concerns.auth.verifier import Verifier

__all__ = [
    "PUBLIC",
    "SHARED",
    "AuthSettings",
    "CurrentUser",
    "InvalidToken",
    "Jwks",
    "Key",
    "KeySource",
    "KeysUnavailable",
    "Principal",
    "Verifier",
    "auth",
    "get_current_user",
    "require_roles",
    "require_scopes",
]
