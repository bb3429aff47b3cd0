"""The client's address and scheme: the peer's, or what the rightmost untrusted hop gave."""

from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import islice
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis_core.concern import ConcernSettings
from chassis_core.concerns.client_address.hops import (
    canonical_address,
    forwarded,
    from_right,
    plain,
)

Header = Literal["x-forwarded-for", "forwarded"]

# Longer than any address with a port, and short enough that the cache stays small.
_LONGEST_NODE = 64
_SCHEMES = {
    "http": {"http": "http", "https": "https"},
    "websocket": {"http": "ws", "https": "wss"},
}


def _network(value: Any) -> Any:
    try:
        network = ip_network("0.0.0.0/0" if value == "*" else value)
    except ValueError:
        raise ValueError(
            "must be a network such as 10.0.0.0/8, or the address of one proxy"
        ) from None
    if network.prefixlen == 0:
        raise ValueError("trusts every peer, so that each could choose its own address")
    return network


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]


class ClientAddressSettings(ConcernSettings):
    """Which proxies stand in front of this service, and where they write the client's address."""

    trusted_proxies: tuple[Network, ...] = ()
    """Networks of our own proxies. Empty, as long as nobody says what stands in front: the client
    is the peer, and no header can change that."""
    header: Header = "x-forwarded-for"
    """The header that those proxies append to: `X-Forwarded-For`, or `Forwarded` (RFC 7239). One
    alone is read, since a client could write the other."""
    max_hops: int = Field(32, ge=1)
    """Proxies that are walked back through at most; a longer chain is one that a client made up."""


class Hop(NamedTuple):
    """One address on the way of a request, in canonical form."""

    address: str
    trusted: bool


class ClientAddressMiddleware:
    """Writes who asked into `scope["client"]` and `scope["scheme"]`.

    The header is walked from the right, where our own proxies wrote. The first address that is
    none of theirs is the client; what stands left of it is only what the client claims. An entry
    that is no address ends the walk at the last proxy. `X-Forwarded-Host` is never read.

    Args:
        app: the app within.
        settings: which proxies are believed, and where they write.
    """

    def __init__(self, app: ASGIApp, *, settings: ClientAddressSettings) -> None:
        self._app = app
        self._trusted = settings.trusted_proxies
        self._max_hops = settings.max_hops
        self._header = settings.header.encode()
        self._names_scheme = settings.header == "forwarded"
        self._read = forwarded if self._names_scheme else plain
        self._hop: Callable[[str], Hop | None] = lru_cache(4096)(self._identify)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request as the client's own."""
        if peer := scope.get("client"):
            self._resolve(scope, peer)
        await self._app(scope, receive, send)

    def _resolve(self, scope: Scope, peer: tuple[str, int]) -> None:
        if not self._trusted and ":" not in peer[0]:
            return
        hop = self._hop(peer[0])
        if hop is None:
            return
        if hop.trusted:
            address, scheme = self._walk(scope, hop.address)
            if scheme in _SCHEMES[scope["type"]]:
                scope["scheme"] = _SCHEMES[scope["type"]][scheme]
        else:
            address = hop.address
        scope["client"] = (address, peer[1] if address == hop.address else 0)

    def _walk(self, scope: Scope, address: str) -> tuple[str, str]:
        scheme = ""
        for entry in islice(from_right(_joined(scope, self._header)), self._max_hops):
            node, said = self._read(entry)
            scheme = said or scheme
            if (hop := self._hop(node[:_LONGEST_NODE])) is None:
                break
            address = hop.address
            if not hop.trusted:
                break
        if not self._names_scheme:
            scheme = next(from_right(_joined(scope, b"x-forwarded-proto")), "").lower()
        return address, scheme

    def _identify(self, node: str) -> Hop | None:
        if (ip := canonical_address(node)) is None:
            return None
        return Hop(str(ip), any(ip in network for network in self._trusted))


def _joined(scope: Scope, header: bytes) -> str:
    lines = [value for name, value in scope["headers"] if name == header]
    return b",".join(lines).decode("latin-1")
