from typing import Any

import pytest
from chassis_core import App, compose
from chassis_core.concern import Service
from chassis_core.concerns.request_id import request_id
from chassis_core.concerns.security_headers import SecurityHeadersSettings, security_headers
from chassis_core.concerns.trusted_hosts import (
    TrustedHostsMiddleware,
    TrustedHostsSettings,
    trusted_hosts,
)
from chassis_core.testing import running
from fastapi import APIRouter
from pydantic import ValidationError

router = APIRouter()


@router.get("/")
async def root() -> str:
    return "ok"


def _app(service: str = "orders", **settings: Any) -> App:
    concern = trusted_hosts(
        TrustedHostsSettings(**settings), service=Service(service, "0.1.0", "test")
    )
    outer = [request_id(), security_headers(SecurityHeadersSettings())]
    return compose([concern, *outer], routers=[router])


async def _status(*hosts: bytes, **settings: Any) -> int:
    """Send the request as a server would that checks nothing itself."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def within(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    allowed = TrustedHostsSettings(**settings).allowed
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [(b"host", host) for host in hosts],
    }
    await TrustedHostsMiddleware(within, allowed=allowed)(scope, None, send)
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8002",
        "LOCALHOST",
        "localhost.",
        "127.0.0.1:9002",
        "[::1]:8002",
        "orders",
        "orders:8002",
        "orders.shop.svc",
        "orders.shop.svc.cluster.local:8002",
    ],
)
async def test_this_machine_and_the_cluster_may_ask_by_default(host: str) -> None:
    async with running(_app()) as client:
        assert (await client.get("/", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "orders.evil.example", "evilsvc", "svc", "10.0.0.7"],
)
async def test_another_host_is_refused_by_default(host: str) -> None:
    async with running(_app()) as client:
        assert (await client.get("/", headers={"Host": host})).status_code == 400


async def test_a_refused_host_gets_a_problem_with_request_id_and_security_headers() -> None:
    async with running(_app()) as client:
        response = await client.get("/", headers={"Host": "evil.example"})
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "evil" not in response.text
    assert "location" not in response.headers


@pytest.mark.parametrize(
    "host, status",
    [
        (b"api.example.org", 200),
        (b"a.b.example.org:443", 200),
        (b"example.org", 400),
        (b"notexample.org", 400),
        (b"localhost", 400),
    ],
)
async def test_a_wildcard_is_every_name_below_and_not_the_name_itself(host, status) -> None:
    assert await _status(host, allowed=("*.example.org",)) == status


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b":8002",
        b"local host",
        b"localhost/evil",
        b"localhost@evil.example",
        b"evil.example#localhost",
        b"localhost:80:80",
        b"localhost:http",
        b"localhost:123456",
        b"localhost,evil.example",
        b"[::1",
        b"::1",
        b"localhost\x00",
        b"localh\xf6st",
        b"localhost..",
        b"-" * 16_000,
    ],
)
async def test_a_malformed_host_is_refused(host: bytes) -> None:
    assert await _status(host) == 400


async def test_no_host_and_two_hosts_are_refused() -> None:
    assert await _status() == 400
    assert await _status(b"localhost", b"localhost") == 400
    assert await _status(b"localhost", b"evil.example") == 400


async def test_a_star_takes_every_name() -> None:
    assert await _status(b"anything.example", allowed=("*",)) == 200


@pytest.mark.parametrize(
    "pattern", ["https://example.org", "example.org:443", "*example.org", "a.*.org", "", "*."]
)
def test_a_name_that_could_never_match_is_refused_at_start(pattern: str) -> None:
    with pytest.raises(ValidationError, match="host name without scheme and port"):
        TrustedHostsSettings(allowed=(pattern,))


async def test_the_check_stands_without_the_chassis_and_for_websockets() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    extensions = {"websocket.http.response": {}}
    scope = {
        "type": "websocket",
        "path": "/",
        "headers": [(b"host", b"evil.example")],
        "extensions": extensions,
    }
    await TrustedHostsMiddleware(_unreached, allowed=["localhost"])(scope, None, send)
    assert sent[0]["type"] == "websocket.http.response.start"
    assert sent[0]["status"] == 400


async def _unreached(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError
