"""Someone who uses the platform from outside, over HTTP, from an address of their own."""

import random
import sys
from typing import Any, Self
from uuid import uuid4

import httpx2

from dev.console import Trouble

ORDER = {"currency": "EUR", "items": [{"sku": "tea", "quantity": 2, "unit_price_minor": 450}]}
PASSPHRASE = "correct horse battery"  # noqa: S105 - of a person who does not exist
ADDRESSES = sys.platform == "linux"
"""Whether all of 127.0.0.0/8 is ours, so that each visitor can come from another address."""


class Visitor:
    """A person at users and orders; every answer must have the status that was expected.

    Args:
        urls: base URLs by service.
        name: how their address begins.
    """

    def __init__(self, urls: dict[str, str], name: str = "visitor") -> None:
        self.email = f"{name}-{uuid4().hex[:8]}@example.com"
        self._urls = urls
        self._http = client_from(_address())

    def __enter__(self) -> Self:
        """Open the connections."""
        self._http.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._http.close()

    def register(self, name: str) -> dict[str, Any]:
        """Become a user; return the profile."""
        wanted = {"email": self.email, "password": PASSPHRASE, "name": name}
        answer = self._http.post(f"{self._urls['users']}/v1/users", json=wanted)
        return dict(expect(answer, 201).json())

    def log_in(self) -> str:
        """Return a new access token."""
        form = {"grant_type": "password", "username": self.email, "password": PASSPHRASE}
        answer = self._http.post(f"{self._urls['users']}/oauth2/token", data=form)
        return str(expect(answer, 200).json()["access_token"])

    def order(self, token: str, key: str) -> httpx2.Response:
        """Place an order under an idempotency key."""
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
        answer = self._http.post(f"{self._urls['orders']}/v1/orders", json=ORDER, headers=headers)
        return expect(answer, 201)

    def orders(self, token: str) -> list[dict[str, Any]]:
        """Return the newest orders of the token's user."""
        headers = {"Authorization": f"Bearer {token}"}
        answer = self._http.get(f"{self._urls['orders']}/v1/orders", headers=headers)
        return list(expect(answer, 200).json()["items"])

    def guess(self) -> httpx2.Response:
        """Try a refresh token that nobody has issued."""
        form = {"grant_type": "refresh_token", "refresh_token": uuid4().hex}
        return expect(self._http.post(f"{self._urls['users']}/oauth2/token", data=form), 400, 429)


def expect(answer: httpx2.Response, *statuses: int) -> httpx2.Response:
    """Return the answer, or raise `Trouble` if its status is another."""
    if answer.status_code not in statuses:
        request = answer.request
        raise Trouble(
            f"{request.method} {request.url} answered {answer.status_code}, not {statuses[0]}:"
            f" {answer.text[:500]}"
        )
    return answer


def client_from(address: str | None) -> httpx2.Client:
    """Return a client at a loopback address, which it also names to whoever sees only a proxy."""
    headers = {"X-Forwarded-For": address} if address else {}
    transport = httpx2.HTTPTransport(local_address=address)
    return httpx2.Client(transport=transport, headers=headers, timeout=30)


def _address() -> str | None:
    if not ADDRESSES:
        return None
    return ".".join(["127", *(str(random.randint(1, 254)) for _ in range(3))])  # noqa: S311
