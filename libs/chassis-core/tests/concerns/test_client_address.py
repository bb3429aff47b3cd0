import time
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import pytest
from chassis_core import App, compose
from chassis_core.concerns.client_address import (
    ClientAddressMiddleware,
    ClientAddressSettings,
    client_address,
)
from chassis_core.testing.client import running
from fastapi import APIRouter, Request
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

TRUSTED = ("127.0.0.0/8", "10.0.0.0/8", "::1", "fd00::/8")
PEER = "127.0.0.1"
Lines = Sequence[tuple[str, str | bytes]]


def app_with(**settings: Any) -> App:
    router = APIRouter()

    @router.get("/who")
    async def who(request: Request) -> dict[str, Any]:
        assert request.client is not None
        return {
            "host": request.client.host,
            "port": request.client.port,
            "url": str(request.url_for("who")),
        }

    return compose([client_address(ClientAddressSettings(**settings))], routers=[router])


async def seen(lines: Lines, *, peer: str = PEER, **settings: Any) -> dict[str, Any]:
    settings.setdefault("trusted_proxies", TRUSTED)
    async with running(app_with(**settings), client=(peer, 50_000)) as client:
        response = await client.get("/who", headers=_encoded(lines))
    assert response.status_code == 200
    return response.json()


def _encoded(lines: Lines) -> list[tuple[bytes, bytes]]:
    return [(k.encode(), v if isinstance(v, bytes) else v.encode()) for k, v in lines]


def xff(*values: str | bytes) -> Lines:
    return [("X-Forwarded-For", value) for value in values]


XFF_TABLE = [
    ([], PEER),
    (xff("203.0.113.7"), "203.0.113.7"),
    (xff("1.1.1.1, 203.0.113.7"), "203.0.113.7"),
    (xff("203.0.113.7, 10.0.0.2, 10.0.0.3"), "203.0.113.7"),
    (xff("6.6.6.6, 203.0.113.7, 10.0.0.2"), "203.0.113.7"),
    (xff("10.9.9.9, 203.0.113.7, 10.0.0.2"), "203.0.113.7"),
    (xff("10.0.0.9, 10.0.0.2"), "10.0.0.9"),
    (xff("6.6.6.6", "203.0.113.7"), "203.0.113.7"),
    (xff("203.0.113.7", "10.0.0.2"), "203.0.113.7"),
    (xff("203.0.113.7:51234"), "203.0.113.7"),
    (xff("203.0.113.7, 10.0.0.2:8080"), "203.0.113.7"),
    (xff("[2001:db8::7]:443"), "2001:db8::7"),
    (xff("[2001:db8::7]"), "2001:db8::7"),
    (xff("2001:db8::7"), "2001:db8::7"),
    (xff("2001:0DB8:0:0::0007"), "2001:db8::7"),
    (xff("::ffff:203.0.113.7"), "203.0.113.7"),
    (xff("203.0.113.7, ::ffff:10.0.0.2"), "203.0.113.7"),
    (xff("203.0.113.7, fd00::1"), "203.0.113.7"),
    (xff("203.0.113.7, not-an-ip"), PEER),
    (xff("203.0.113.7, not-an-ip, 10.0.0.2"), "10.0.0.2"),
    (xff("not-an-ip"), PEER),
    (xff("unknown"), PEER),
    (xff("_hidden"), PEER),
    (xff(""), PEER),
    (xff(", ,"), PEER),
    (xff("<script>, 203.0.113.7"), "203.0.113.7"),
    (xff("203.0.113.007"), PEER),
    (xff("0xCB.1"), PEER),
    (xff("3405803783"), PEER),
    (xff("203.0.113.0/24"), PEER),
    (xff("[2001:db8::7"), PEER),
    (xff("[203.0.113.7]"), PEER),
    (xff("127.0.0.1, 203.0.113.7"), "203.0.113.7"),
    (xff(b"203.0.113.7\x1b[31m"), PEER),
    (xff(b"203.0.113.7\xe9"), PEER),
    (xff("203.0.113.7".translate({ord("7"): 0xFF17})), PEER),
    (xff("6.6.6.6, " * 2000 + "203.0.113.7"), "203.0.113.7"),
    (xff("203.0.113.7:99999"), PEER),
    (xff('"203.0.113.7"'), PEER),
    (xff("fe80::1%eth0"), "fe80::1"),
    (xff("fe80::1%" + "z" * 5000), "fe80::1"),
    ([("X-Real-IP", "203.0.113.7")], PEER),
    ([("True-Client-IP", "203.0.113.7")], PEER),
    ([("CF-Connecting-IP", "203.0.113.7")], PEER),
    ([("X-Client-IP", "203.0.113.7")], PEER),
    ([("X_Forwarded_For", "203.0.113.7")], PEER),
    ([("Forwarded", "for=203.0.113.7")], PEER),
]

FORWARDED_TABLE = [
    ("For=6.6.6.6, FOR=203.0.113.7;proto=http, for=10.0.0.2", "203.0.113.7"),
    ('for="[2001:db8::7]:4711"', "2001:db8::7"),
    ("for=203.0.113.7 ; by=10.0.0.1", "203.0.113.7"),
    ("for=unknown", PEER),
    ("for=_obf", PEER),
    ('for="203.0.113.7', PEER),
    ('for="203.0.113.7, for=6.6.6.6"', PEER),
    ('by="x, for=6.6.6.6;a=b"', PEER),
    ("for=6.6.6.6;for=203.0.113.7", PEER),
    ("proto=https", PEER),
    ("for=", PEER),
    ("203.0.113.7", PEER),
    ("", PEER),
]


@pytest.mark.parametrize("lines, expected", XFF_TABLE)
async def test_the_client_is_the_rightmost_hop_that_no_proxy_of_ours_is(lines, expected) -> None:
    assert (await seen(lines))["host"] == expected


@pytest.mark.parametrize("lines, _", XFF_TABLE)
async def test_a_peer_that_nobody_trusts_is_the_client_whatever_it_sends(lines, _) -> None:
    assert (await seen(lines, peer="198.51.100.9"))["host"] == "198.51.100.9"


@pytest.mark.parametrize("lines, _", XFF_TABLE)
async def test_the_peer_is_the_client_when_no_proxy_is_configured(lines, _) -> None:
    assert (await seen(lines, trusted_proxies=()))["host"] == PEER


@pytest.mark.parametrize("value, expected", FORWARDED_TABLE)
async def test_the_forwarded_header_is_walked_by_the_same_rule_if_configured(
    value, expected
) -> None:
    assert (await seen([("Forwarded", value)], header="forwarded"))["host"] == expected


async def test_x_forwarded_for_is_ignored_where_forwarded_is_configured() -> None:
    assert (await seen(xff("203.0.113.7"), header="forwarded"))["host"] == PEER


@pytest.mark.parametrize(
    "value, scheme",
    [
        ("https", "https"),
        ("HTTPS", "https"),
        ("https, http", "http"),
        ("http, https", "https"),
        ("javascript", "http"),
        ("https, javascript", "http"),
        ("https://evil.example", "http"),
        ("wss", "http"),
        ("", "http"),
    ],
)
async def test_the_scheme_is_the_rightmost_that_a_trusted_proxy_names(value, scheme) -> None:
    lines = [*xff("203.0.113.7"), ("X-Forwarded-Proto", value)]
    assert (await seen(lines))["url"] == f"{scheme}://localhost/who"


async def test_the_scheme_of_a_peer_that_nobody_trusts_is_its_connections() -> None:
    answer = await seen([("X-Forwarded-Proto", "https")], peer="198.51.100.9")
    assert answer["url"] == "http://localhost/who"


@pytest.mark.parametrize(
    "value, scheme",
    [
        ("for=203.0.113.7;proto=HTTPS", "https"),
        ("for=6.6.6.6;proto=https, for=203.0.113.7", "http"),
        ("for=203.0.113.7;proto=https, for=10.0.0.2;proto=http", "https"),
        ("for=203.0.113.7;proto=javascript", "http"),
    ],
)
async def test_the_scheme_stands_in_the_forwarded_element_of_the_client(value, scheme) -> None:
    answer = await seen([("Forwarded", value)], header="forwarded")
    assert answer["url"] == f"{scheme}://localhost/who"


async def test_x_forwarded_host_never_reaches_a_link() -> None:
    lines = [*xff("203.0.113.7"), ("X-Forwarded-Host", "evil.example")]
    assert (await seen(lines))["url"] == "http://localhost/who"


async def test_a_port_of_the_peer_is_never_joined_to_another_address() -> None:
    assert (await seen(xff("203.0.113.7:51234")))["port"] == 0
    assert (await seen([]))["port"] == 50_000


async def test_an_ipv4_peer_on_an_ipv6_socket_is_the_ipv4_address_it_is() -> None:
    answer = await seen([], peer="::ffff:198.51.100.9", trusted_proxies=())
    assert answer["host"] == "198.51.100.9"
    trusted = await seen(xff("203.0.113.7"), peer="::ffff:10.0.0.1")
    assert trusted["host"] == "203.0.113.7"


async def test_a_peer_without_an_address_stays_as_it_is() -> None:
    scope = {"type": "http", "client": None, "headers": [(b"x-forwarded-for", b"203.0.113.7")]}
    assert (await _through(scope))["client"] is None
    assert (await _through(scope | {"client": ("testclient", 1)}))["client"] == ("testclient", 1)


async def test_a_websocket_behind_tls_has_the_scheme_wss() -> None:
    headers = [(b"x-forwarded-proto", b"https"), (b"x-forwarded-for", b"203.0.113.7")]
    scope = {"type": "websocket", "scheme": "ws", "client": (PEER, 1), "headers": headers}
    assert (await _through(scope))["scheme"] == "wss"
    assert (await _through(scope))["client"] == ("203.0.113.7", 0)


async def test_a_chain_of_trusted_hops_is_walked_only_so_far() -> None:
    hops = [f"10.0.{i // 250}.{i % 250}" for i in range(2000)]
    started = time.perf_counter()
    answer = await seen(xff(", ".join(["203.0.113.7", *hops])), max_hops=3)
    assert answer["host"] == hops[-3]
    assert time.perf_counter() - started < 2


_entry = st.one_of(
    st.ip_addresses().map(str),
    st.sampled_from(["10.0.0.2", "fd00::1", "::ffff:10.1.1.1", "[::1]:80", "unknown", ""]),
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=80),
)


@given(st.lists(st.lists(_entry, max_size=6).map(", ".join), max_size=3), st.booleans())
def test_the_client_is_always_a_canonical_address(lines: list[str], forwarded: bool) -> None:
    header = "forwarded" if forwarded else "x-forwarded-for"
    settings = ClientAddressSettings(trusted_proxies=TRUSTED, header=header)
    middleware = ClientAddressMiddleware(_nothing, settings=settings)
    prefix = "for=" if forwarded else ""
    headers = [(header.encode(), (prefix + line).encode("latin-1")) for line in lines]
    scope: dict[str, Any] = {"type": "http", "client": (PEER, 1), "headers": headers}
    middleware._resolve(scope, scope["client"])
    address = scope["client"][0]
    assert str(ip_address(address)) == address
    assert "%" not in address
    assert not address.startswith("::ffff:")


@pytest.mark.parametrize("value", ["*", "0.0.0.0/0", "::/0"])
def test_trusting_everyone_is_refused_at_start(value: str) -> None:
    with pytest.raises(ValidationError, match="trusts every peer"):
        ClientAddressSettings(trusted_proxies=(value,))


def test_a_network_with_host_bits_is_refused_with_an_example_of_what_is_meant() -> None:
    with pytest.raises(ValidationError, match=r"must be a network such as 10\.0\.0\.0/8"):
        ClientAddressSettings(trusted_proxies=("10.0.0.1/8",))


async def _nothing(scope: Any, receive: Any, send: Any) -> None: ...


async def _through(scope: dict[str, Any]) -> dict[str, Any]:
    settings = ClientAddressSettings(trusted_proxies=TRUSTED)
    scope = dict(scope)
    await ClientAddressMiddleware(_nothing, settings=settings)(scope, None, None)
    return scope
