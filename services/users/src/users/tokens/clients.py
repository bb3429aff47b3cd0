"""Clients: who may ask for tokens, for which grants and scopes."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest

from users.settings import Settings
from users.tokens.refusals import InvalidClient, Refusal


@dataclass(frozen=True, slots=True)
class Client:
    """A client that has been identified."""

    id: str
    grants: frozenset[str]
    scopes: tuple[str, ...]

    def narrow(self, requested: str | None) -> Sequence[str]:
        """Return the scopes of a request: those it names, or all that the client may have.

        Raises:
            Refusal: it names one that the client may not have.
        """
        return narrow(requested, self.scopes)


def narrow(requested: str | None, allowed: Sequence[str]) -> Sequence[str]:
    """Return the scopes that `requested` names, or all of `allowed` if it names none.

    Raises:
        Refusal: one is not among `allowed`.
    """
    wanted = tuple(dict.fromkeys((requested or "").split()))
    if not set(wanted) <= set(allowed):
        raise Refusal("invalid_scope", f"the scopes to be had are: {' '.join(allowed)}")
    return wanted or allowed


class Clients:
    """The clients of the settings: one public, in which people log in, and the services."""

    def __init__(self, settings: Settings) -> None:
        self._public = Client(
            settings.tokens.client_id,
            frozenset({"password", "refresh_token"}),
            settings.tokens.scopes,
        )
        self._services = {
            name: (
                bytes.fromhex(service.secret_sha256.get_secret_value()),
                Client(name, frozenset({"client_credentials"}), service.scopes),
            )
            for name, service in settings.oauth_clients.items()
        }

    def identify(self, client_id: str | None, secret: str | None) -> Client:
        """Return the client that this id and secret prove.

        Raises:
            InvalidClient: there is no such client, or the secret is not its own.
        """
        if client_id in {None, self._public.id} and not secret:
            return self._public
        digest, client = self._services.get(client_id or "", (b"", None))
        if client is None or not compare_digest(sha256((secret or "").encode()).digest(), digest):
            raise InvalidClient
        return client
