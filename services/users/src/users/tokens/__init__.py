"""Tokens: who may have which, how they are issued, renewed and revoked."""

from users.tokens.access import AccessTokens
from users.tokens.clients import Client, Clients
from users.tokens.grants import Grants
from users.tokens.refresh import RefreshTokens
from users.tokens.refusals import InvalidClient, Refusal

__all__ = [
    "AccessTokens",
    "Client",
    "Clients",
    "Grants",
    "InvalidClient",
    "RefreshTokens",
    "Refusal",
]
