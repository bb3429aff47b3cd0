"""Telemetry under abuse: it must not grow, not be skewed, and not repeat what it was told."""

import random
import socket

import pytest

REQUESTS = 700
NEW_SERIES = 5
SECRETS = ("s3cret-token", "s3cret-cookie", "s3cret-password", "s3cret-query")
METHODS = ("GET", "POST", "BREW", "get", "PROPFIND", "X" * 200)
HOSTS = ("evil.example", "127.0.0.1", "a" * 300, "x y", "[::1", "\x1b[31mred")
IDS = ("ok-1", "a" * 500, "\x1b[2J", "å", '","level":"fake', "%0d%0aevil: 1")
PATHS = (
    "/{n}", "/v1/orders/{n}", "/v1/orders/{n}/cancel", "//{n}", "/..;/{n}", "/%00{n}", "/%ff{n}",
    "/v1/orders?password=s3cret-query&n={n}", "/{n}/../../etc/passwd", "/%0d%0aevil:{n}",
    "/${{jndi:ldap://x/{n}}}", "/\u00e9{n}", "/livez/{n}", "/metrics{n}",
)  # fmt: skip


def hostile(number):
    """Return one hostile request as bytes; the same number gives the same."""
    choose = random.Random(number).choice
    path = choose(PATHS).format(n=f"{number}-{'z' * (number % 50)}")
    lines = [
        f"{choose(METHODS)} {path} HTTP/1.1",
        f"Host: {choose(HOSTS)}",
        f"X-Request-ID: {choose(IDS)}",
        "Authorization: Bearer s3cret-token",
        "Cookie: session=s3cret-cookie",
        "Content-Type: application/json",
        "Content-Length: 31",
        "Connection: close",
        "",
        '{"password": "s3cret-password"}',
    ]
    return "\r\n".join(lines).encode("latin-1", "replace")


def send(url, request):
    """Send bytes on a connection of its own; return the status, 0 when there was no answer."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return int(answer.split(b" ", 2)[1]) if answer else 0


@pytest.fixture
def abused(outside):
    """Abuse orders once everyday mistakes are counted; return statuses, and samples around it."""
    for path in ("/v1/orders", "/v1/orders/0", "/v1/orders/0/cancel", "/none"):
        for method in ("GET", "POST", "BREW"):
            outside.client().request(method, f"{outside.orders}{path}")
    before = outside.requests("orders")
    statuses = [send(outside.orders, hostile(number)) for number in range(REQUESTS)]
    return statuses, before, outside.requests("orders")


def test_abuse_adds_few_series_is_counted_to_the_last_and_stays_out_of_every_log(outside, abused):
    statuses, before, after = abused
    assert all(400 <= status < 500 for status in statuses), sorted(set(statuses))

    assert sum(after.values()) - sum(before.values()) == REQUESTS
    assert len(after.keys() - before.keys()) <= NEW_SERIES, sorted(after.keys() - before.keys())

    lines = [outside.lines(service) for service in ("users", "orders")]
    text = str(lines)
    for secret in SECRETS:
        assert secret not in text
    for line in lines[1]:
        assert set(line) >= {"timestamp", "level", "event", "service"}
    for span in outside.platform.collector.spans:
        assert not [secret for secret in SECRETS if secret in str(span)]
