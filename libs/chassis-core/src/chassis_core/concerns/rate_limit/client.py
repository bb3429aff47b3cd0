"""Whom a request is counted against."""

import hashlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from starlette.requests import Request
from starlette.types import Scope

from chassis_core.concern import PRINCIPAL

By = Literal["address", "principal", "api_key"]
Named = Callable[[Request], Awaitable[str | None]]
_MAPPED = b"\0" * 10 + b"\xff\xff"


def key_of(scope: Scope, by: By) -> str:
    """Return the bucket of the caller: only a principal that was verified, else the address."""
    if by == "principal" and (principal := scope.get(PRINCIPAL)) is not None:
        return f"user:{_short(f'{principal.issuer}|{principal.subject}')}"
    return address_of(scope.get("client"))


def key_of_api_key(api_key: str) -> str:
    """Return the bucket of an API key; only its digest is kept."""
    return f"key:{_digest(api_key)}"


def key_of_name(name: str) -> str:
    """Return the bucket of what a request names; only its digest is kept."""
    return f"name:{_digest(name)}"


def address_of(client: Any) -> str:
    """Return the bucket of an address; the IPv6 addresses of one /64 are one client's."""
    if not client:
        return "ip:unknown"
    host = client[0]
    if ":" not in host:
        return f"ip:{host}"
    try:
        packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except OSError:
        return f"ip:{_short(host)}"
    if packed.startswith(_MAPPED):
        return f"ip:{socket.inet_ntoa(packed[12:])}"
    return f"ip:{packed[:8].hex()}/64"


def _short(text: str) -> str:
    return text if len(text) <= 96 else _digest(text)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
