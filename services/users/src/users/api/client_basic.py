"""How a client says who it is: HTTP Basic or the form (RFC 6749 §2.3.1)."""

import binascii
from base64 import b64decode
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import unquote_plus

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBase
from fastapi.security.base import SecurityBase

from users.schemas import ClientForm
from users.tokens import Client, Clients, InvalidClient, Refusal


class ClientBasic(SecurityBase):
    """The dependency that gives the values of `Authorization`, shown in OpenAPI as HTTP Basic."""

    def __init__(self) -> None:
        self.model = HTTPBase(scheme="basic")
        self.scheme_name = "client"

    async def __call__(self, request: Request) -> Sequence[str]:
        """Return the values; none is a client that names itself in the form, or not at all."""
        return request.headers.getlist("authorization")


Basic = Annotated[Sequence[str], Depends(ClientBasic())]
"""The `Authorization` values of a request, for `identify`."""


def identify(clients: Clients, form: ClientForm, basic: Sequence[str]) -> Client:
    """Return the client that sent the request.

    Raises:
        Refusal: it named itself in two ways.
        InvalidClient: it is unknown, its secret is wrong, or its header cannot be read.
    """
    if not basic:
        secret = form.client_secret
        return clients.identify(form.client_id, secret.get_secret_value() if secret else None)
    client_id, secret_sent = _credentials(basic)
    if form.client_secret is not None or form.client_id not in {None, client_id}:
        raise Refusal("invalid_request", "the client named itself in more than one way")
    return clients.identify(client_id, secret_sent)


def _credentials(basic: Sequence[str]) -> tuple[str, str]:
    scheme, _, encoded = basic[0].partition(" ")
    if len(basic) > 1 or scheme.lower() != "basic":
        raise InvalidClient
    try:
        client_id, _, secret = b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise InvalidClient from None
    return unquote_plus(client_id), unquote_plus(secret)
