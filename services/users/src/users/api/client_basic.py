"""How a client says who it is: HTTP Basic or the form (RFC 6749 §2.3.1)."""

import binascii
from base64 import b64decode
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from fastapi import Request
from fastapi.openapi.models import HTTPBase
from fastapi.security.base import SecurityBase

from users.schemas import RevocationForm, TokenForm
from users.tokens import Client, Clients, InvalidClient, Refusal


@dataclass(frozen=True, slots=True)
class Credentials:
    """A client's id and secret, as sent."""

    client_id: str
    secret: str = field(repr=False)


class ClientBasic(SecurityBase):
    """The dependency that reads a client's HTTP Basic credentials, shown in OpenAPI."""

    def __init__(self) -> None:
        self.model = HTTPBase(scheme="basic")
        self.scheme_name = "client"

    async def __call__(self, request: Request) -> Credentials | None:
        """Return the credentials, or None if there is no `Authorization` header.

        Raises:
            InvalidClient: the header is of another scheme, or cannot be read.
        """
        values = request.headers.getlist("authorization")
        if not values:
            return None
        scheme, _, encoded = values[0].partition(" ")
        if len(values) > 1 or scheme.lower() != "basic":
            raise InvalidClient
        try:
            client_id, _, secret = b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            raise InvalidClient from None
        return Credentials(unquote_plus(client_id), unquote_plus(secret))


def identify(
    clients: Clients, form: TokenForm | RevocationForm, basic: Credentials | None
) -> Client:
    """Return the client that sent the request.

    Raises:
        Refusal: it named itself in two ways.
        InvalidClient: it is unknown or its secret is wrong.
    """
    if basic is None:
        secret = form.client_secret
        return clients.identify(form.client_id, secret.get_secret_value() if secret else None)
    if form.client_secret is not None or form.client_id not in {None, basic.client_id}:
        raise Refusal("invalid_request", "the client named itself in more than one way")
    return clients.identify(basic.client_id, basic.secret)
