import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from chassis_core import context
from chassis_core.concerns.clients import ClientSettings, ServiceClient
from chassis_core.concerns.clients import own_token as module
from chassis_core.concerns.clients.metrics import ClientMetrics
from chassis_core.context import RequestContext
from chassis_core.problem import Unavailable
from chassis_core.testing import Telemetry, eventually
from pydantic import ValidationError

SECRET = "s3cret/%:é"


class Issuing:
    """A service with a token endpoint, which lets in whoever brings its last token."""

    def __init__(self, upstream: Any) -> None:
        self.upstream = upstream
        self.forms: list[dict[str, list[str]]] = []
        self.lifetime = 900
        self.answer: dict[str, Any] | None = None
        self.held = asyncio.Event()
        self.held.set()
        self.deaf = False
        upstream.behaviour = self.serve

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        token = self.upstream.requests[-1].startswith(b"POST /oauth2/token")
        sent = self.upstream.header("authorization")
        status, body = await self.token(reader) if token else self.resource(sent)
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    async def token(self, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        length = int(self.upstream.header("content-length"))
        self.forms.append(parse_qs((await reader.readexactly(length)).decode()))
        number = len(self.forms)
        await self.held.wait()
        if self.answer is not None:
            return 400, json.dumps(self.answer).encode()
        token = {"access_token": f"t{number}", "token_type": "bearer", "expires_in": self.lifetime}
        return 200, json.dumps(token).encode()

    def resource(self, sent: str | None) -> tuple[int, bytes]:
        right = sent == f"Bearer t{len(self.forms)}" and not self.deaf
        return (200 if right else 401), b"{}"

    @property
    def calls(self) -> int:
        return len(self.upstream.requests) - len(self.forms)


@pytest.fixture
def issuing(upstream: Any) -> Issuing:
    return Issuing(upstream)


@pytest.fixture
async def users(upstream: Any, telemetry: Telemetry) -> AsyncIterator[ServiceClient]:
    settings = ClientSettings(
        url=upstream.url,
        auth="service",
        token_url=f"{upstream.url}/oauth2/token",
        client_id="orders",
        client_secret=SECRET,  # type: ignore[arg-type]
        scope="users:read",
        timeout=10,
        attempt_timeout=10,
        connect_timeout=10,
        attempts=3,
        backoff=0,
    )
    one = ServiceClient("users", settings, metrics=ClientMetrics(telemetry.registry))
    yield one
    await one.aclose()


@pytest.fixture
def no_cool_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COOL_DOWN", -1.0)


async def test_a_hundred_calls_at_once_fetch_one_token(
    issuing: Issuing, users: ServiceClient
) -> None:
    context.enter(RequestContext("id-1", authorization="Bearer of-the-caller"))
    answers = await asyncio.gather(*(users.get("/x") for _ in range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert issuing.forms == [{"grant_type": ["client_credentials"], "scope": ["users:read"]}]
    index = next(i for i, r in enumerate(issuing.upstream.requests) if b"/oauth2/token" in r)
    basic = b64decode(issuing.upstream.header("authorization", index).partition(" ")[2]).decode()
    assert basic == "orders:s3cret%2F%25%3A%C3%A9"


async def test_a_token_is_renewed_in_the_background_before_it_ends(
    issuing: Issuing, users: ServiceClient, no_cool_down: None
) -> None:
    issuing.lifetime = 1
    assert (await users.get("/x")).status_code == 200
    tokens = users._credentials
    tokens._due = tokens._clock() - 1  # type: ignore[attr-defined]
    issuing.held.clear()
    # It is still sent while the next one is on its way; the service lets only the newest in.
    issuing.deaf = True
    assert (await asyncio.wait_for(tokens.header(5), 5)) == "Bearer t1"
    issuing.deaf = False
    issuing.held.set()

    async def renewed() -> bool:
        return await tokens.header(5) == "Bearer t2"

    await eventually(renewed)
    assert (await users.get("/x")).status_code == 200
    assert len(issuing.forms) == 2


async def test_a_refused_token_is_fetched_once_more_and_the_call_repeated(
    issuing: Issuing, users: ServiceClient, no_cool_down: None
) -> None:
    await users.get("/x")
    issuing.forms.append({})  # the service has forgotten the token
    assert (await users.post("/x", json={})).status_code == 200
    assert len(issuing.forms) == 3


async def test_a_service_that_refuses_every_token_is_not_flooded(
    issuing: Issuing, users: ServiceClient
) -> None:
    issuing.deaf = True
    for _ in range(10):
        assert (await users.get("/x")).status_code == 401
    assert len(issuing.forms) == 1
    assert issuing.calls == 10


async def test_without_a_token_no_call_is_made_and_the_endpoint_is_left_alone_for_a_while(
    issuing: Issuing, users: ServiceClient, telemetry: Telemetry
) -> None:
    issuing.answer = {"error": "invalid_client"}
    for _ in range(10):
        with pytest.raises(Unavailable) as caught:
            await users.get("/x")
        assert caught.value.text == "users cannot be called now"
        assert "s3cret" not in str(caught.value.__cause__)
    assert len(issuing.forms) == 1
    assert issuing.calls == 0
    assert telemetry.sample("http_client_breaker_state", server="users") == 0


async def test_one_caller_in_a_hurry_does_not_end_the_fetch_of_the_others(
    issuing: Issuing, users: ServiceClient
) -> None:
    issuing.held.clear()
    patient = asyncio.create_task(users.get("/x"))
    hurried = asyncio.create_task(users.get("/x"))
    await eventually(lambda: issuing.forms)
    hurried.cancel()
    issuing.held.set()
    assert (await patient).status_code == 200
    assert len(issuing.forms) == 1


def test_a_client_that_needs_a_token_says_what_is_missing_and_shows_no_secret() -> None:
    with pytest.raises(ValidationError, match="needs token_url, client_id"):
        ClientSettings(url="http://users", auth="service", client_secret=SECRET)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="credentials"):
        ClientSettings(url="http://users", token_url="http://a:b@users/token")
