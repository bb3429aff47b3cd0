import asyncio
import time
import zlib
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from chassis_core import compose, context
from chassis_core.concerns.clients import ClientSettings, ServiceClient, client, clients
from chassis_core.concerns.clients.metrics import ClientMetrics
from chassis_core.concerns.errors import errors
from chassis_core.context import RequestContext
from chassis_core.problem import BadGateway, GatewayTimeout, Problem, Unavailable
from chassis_core.testing import Telemetry, running
from fastapi import APIRouter, Depends
from pydantic import ValidationError

DURATION = "http_client_request_duration_seconds_count"
NO_DATE = b"Mon, 99999999999999999999 Jan 2024 00:00:00 GMT"


def answering(status: bytes, body: bytes = b"{}", *headers: bytes) -> Any:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), b"Connection: close"]
        writer.write(b"\r\n".join([*lines, *headers]) + b"\r\n\r\n" + body)
        await writer.drain()

    return answer


async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
    for _ in range(10_000):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x" * 65536)
        await writer.drain()


async def endless_headers(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not writer.is_closing():
        writer.write(b"x-filler: " + b"x" * 8192 + b"\r\n")
        await writer.drain()


async def gzip_bomb(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head)
    chunk = zlib.compress(b"\0" * 10_000_000, wbits=31)
    while not writer.is_closing():
        writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        await writer.drain()


async def truncated(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await writer.drain()


async def garbage(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\x01 what is this\r\n\r\n")
    await writer.drain()


@pytest.fixture
async def make(upstream: Any, telemetry: Telemetry) -> AsyncIterator[Any]:
    made: list[ServiceClient] = []

    def build(**settings: Any) -> ServiceClient:
        settings = {"url": upstream.url, "attempts": 1, "timeout": 0.6} | settings
        one = ServiceClient(
            "users",
            ClientSettings(**settings),
            metrics=ClientMetrics(telemetry.registry),
            tracer=telemetry.provider.get_tracer("test"),
        )
        made.append(one)
        return one

    yield build
    for one in made:
        await one.aclose()


@pytest.mark.parametrize(
    "behaviour, expected",
    [
        (hang, (GatewayTimeout, "timeout")),
        (drip, (GatewayTimeout, "timeout")),
        (reset, (BadGateway, "protocol")),
        (truncated, (BadGateway, "protocol")),
        (garbage, (BadGateway, "protocol")),
        (endless_headers, (BadGateway, "protocol")),
        (endless, (BadGateway, "too_large")),
        (answering(b"302 Found", b"", b"Location: http://169.254.169.254/"), (BadGateway, "302")),
        (gzip_bomb, (BadGateway, "encoding")),
        (answering(b"500 Oops", b"stack trace"), (BadGateway, "500")),
        (answering(b"503 Busy", b"", b"Retry-After: 1000000000"), (Unavailable, "503")),
        (answering(b"503 Busy", b"", b"Retry-After: %b" % NO_DATE), (Unavailable, "503")),
        (answering(b"504 Late"), (GatewayTimeout, "504")),
    ],
)
async def test_a_hostile_service_becomes_one_clear_problem_in_time(
    upstream: Any,
    make: Any,
    telemetry: Telemetry,
    behaviour: Any,
    expected: tuple[type[Problem], str],
) -> None:
    problem, outcome = expected
    upstream.behaviour = behaviour
    start = time.perf_counter()
    with pytest.raises(problem) as caught:
        await make().get("/x")
    # Three times the client's timeout: a busy machine may be late, a hang never ends.
    assert time.perf_counter() - start < 1.8
    assert caught.value.text is not None
    assert caught.value.text.startswith("users ")
    assert upstream.url not in caught.value.text
    assert len(upstream.requests) == 1
    assert telemetry.sample(DURATION, server="users", method="GET", outcome=outcome) == 1
    assert int((caught.value.headers or {}).get("Retry-After", "1")) <= 60
    (span,) = telemetry.spans
    assert (span.attributes or {}).get("error.type") == outcome


async def test_a_service_that_is_not_there_is_503_with_a_retry_after(make: Any) -> None:
    with pytest.raises(Unavailable) as caught:
        await make(url="http://127.0.0.1:1").get("/x")
    assert caught.value.text == "users is not available"
    assert (caught.value.headers or {})["Retry-After"] == "1"


async def test_an_answer_below_500_is_for_the_caller_to_judge(upstream: Any, make: Any) -> None:
    upstream.behaviour = answering(b"404 Not Found", b'{"title":"no"}')
    answer = await make().get("/x")
    assert answer.status_code == 404
    assert answer.json() == {"title": "no"}


async def test_a_call_carries_the_trace_the_id_the_caller_and_the_time_left(
    upstream: Any, make: Any, telemetry: Telemetry
) -> None:
    current = RequestContext("id-1", deadline=time.monotonic() + 0.5, authorization="Bearer t")
    context.enter(current)
    tracer = telemetry.provider.get_tracer("test")
    with tracer.start_as_current_span("server") as server:
        await make(timeout=30).get("/v1/users/me", params={"token": "secret"})
    child = telemetry.spans[0]
    assert child.name == "GET"
    assert child.parent is not None
    assert child.parent.span_id == server.get_span_context().span_id
    assert child.context is not None
    assert upstream.header("traceparent").split("-")[2] == f"{child.context.span_id:016x}"
    assert upstream.header("x-request-id") == "id-1"
    assert upstream.header("authorization") == "Bearer t"
    assert upstream.header("accept-encoding") == "identity"
    assert 0 < int(upstream.header("x-request-deadline-ms")) <= 500
    assert child.attributes is not None
    assert child.attributes["url.full"] == f"{upstream.url}/v1/users/me"
    assert child.attributes["server.port"] == upstream.port
    assert child.attributes["http.response.status_code"] == 200
    assert "secret" not in str(dict(child.attributes))


async def test_a_request_without_time_left_makes_no_call(upstream: Any, make: Any) -> None:
    context.enter(RequestContext("id-1", deadline=time.monotonic() - 1))
    with pytest.raises(GatewayTimeout):
        await make().get("/x")
    assert upstream.requests == []


async def test_the_deadline_of_the_request_ends_a_call_before_the_clients_own(
    upstream: Any, make: Any
) -> None:
    upstream.behaviour = hang
    context.enter(RequestContext("id-1", deadline=time.monotonic() + 0.2))
    start = time.perf_counter()
    with pytest.raises(GatewayTimeout):
        await make(timeout=30, attempt_timeout=30).get("/x")
    assert time.perf_counter() - start < 5


async def test_cookies_of_one_caller_are_never_sent_for_another(upstream: Any, make: Any) -> None:
    upstream.behaviour = answering(b"200 OK", b"{}", b"Set-Cookie: session=anna")
    users = make()
    await users.get("/x")
    await users.get("/x")
    assert upstream.header("cookie") is None


@pytest.mark.parametrize("path", ["http://evil.example/", "//evil.example/", "v1/users"])
async def test_a_path_can_never_name_another_host(make: Any, path: str) -> None:
    with pytest.raises(ValueError, match="must start with one slash"):
        await make().get(path)


@pytest.mark.parametrize(
    "url", ["users:8001", "ftp://users", "http://anna:pw@users", "http://users?x=1"]
)
def test_a_url_that_cannot_work_stops_the_start(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ClientSettings(url=url)
    assert "pw" not in str(caught.value)


async def test_a_route_gets_its_client_by_name_and_its_caller_the_problem(upstream: Any) -> None:
    router = APIRouter()
    users = Annotated[ServiceClient, Depends(client("users"))]

    @router.get("/me")
    async def me(users: users) -> dict[str, Any]:  # type: ignore[valid-type]
        answer: dict[str, Any] = (await users.get("/v1/users/me")).json()  # type: ignore[attr-defined]
        return answer

    upstream.behaviour = answering(b"200 OK", b'{"name":"Anna"}')
    settings = {"users": ClientSettings(url=upstream.url, attempts=1)}
    async with running(compose([clients(settings), errors()], routers=[router])) as http:
        assert (await http.get("/me")).json() == {"name": "Anna"}
        upstream.behaviour = answering(b"500 Oops", b"secret stack trace")
        failed = await http.get("/me")
    assert failed.status_code == 502
    assert failed.json()["detail"] == "users failed"
