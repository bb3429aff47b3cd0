"""The whole stack as a service gets it: whatever goes wrong, the answer is complete."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from chassis_core import CurrentUser, RateLimit, ServiceSettings, create_app
from chassis_core.testing import Telemetry, running
from fastapi import APIRouter, Depends
from pydantic import BaseModel
from pydantic_settings import SettingsConfigDict

COUNT = "http_server_request_duration_seconds_count"
SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2"
router = APIRouter(prefix="/v1")
once = RateLimit("1/hour", by="address", name="once")


class Order(BaseModel, extra="forbid"):
    quantity: int


@router.get("/boom")
async def boom() -> None:
    raise RuntimeError(f"the secret is {SECRET}")


@router.get("/slow")
async def slow() -> None:
    await asyncio.sleep(30)


@router.get("/limited", dependencies=[Depends(once)])
async def limited() -> str:
    return "ok"


@router.post("/orders")
async def order(order: Order) -> Order:
    return order


@router.get("/me")
async def me(user: CurrentUser) -> str:
    return user.subject


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="ASSEMBLED_")
    name: str = "assembled"


def settings() -> Settings:
    return Settings(
        auth={"mode": "hmac", "secret": SECRET, "issuer": "https://i", "audience": "a"},
        body_limit={"max_bytes": 1000},
        cors={"allow_origins": ["https://shop.example.com"]},
        deadline={"timeout": 0.2},
        trusted_hosts={"allowed": ["localhost"]},
    )


async def _chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size):
        yield b" " * 100


@dataclass(frozen=True)
class Case:
    status: int
    method: str = "GET"
    path: str = "/v1/boom"
    route: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    problem: bool = True
    times: int = 1


JSON = {"content-type": "application/json"}
ASKS = {"origin": "https://evil.example.com", "access-control-request-method": "POST"}
FORGED = {"authorization": f"Bearer {SECRET}"}
CASES = {
    "500": Case(500),
    "504": Case(504, path="/v1/slow"),
    "429": Case(429, path="/v1/limited", times=2),
    "422": Case(422, "POST", "/v1/orders", options={"json": {"quantity": SECRET}}),
    "400 not JSON": Case(400, "POST", "/v1/orders", options={"content": b"{", "headers": JSON}),
    "413 by length": Case(
        413,
        "POST",
        "/v1/orders",
        route="unmatched",
        options={"content": b" " * 2000, "headers": JSON},
    ),
    "413 chunked": Case(
        413, "POST", "/v1/orders", options={"content": _chunks(20), "headers": JSON}
    ),
    "415": Case(
        415,
        "POST",
        "/v1/orders",
        route="unmatched",
        options={"content": b"{}", "headers": JSON | {"content-encoding": "compress"}},
    ),
    "404 unmatched": Case(404, path=f"/nowhere/{SECRET}"[:9], route="unmatched"),
    "405": Case(405, "DELETE", "/v1/boom", route="unmatched"),
    "wrong host": Case(
        400, route="unmatched", options={"headers": {"host": "evil.example.com"}}
    ),
    "preflight refused": Case(
        400, "OPTIONS", "/v1/orders", route="unmatched", options={"headers": ASKS}
    ),
    "preflight granted": Case(
        200,
        "OPTIONS",
        "/v1/orders",
        route="unmatched",
        options={"headers": ASKS | {"origin": "https://shop.example.com"}},
        problem=False,
    ),
    "no token": Case(401, path="/v1/me"),
    "bad token": Case(401, path="/v1/me", options={"headers": FORGED}),
    "non-UTF-8 header": Case(
        500, options={"headers": [(b"x-request-id", b"\xff\xfe"), (b"x-other", b"caf\xe9")]}
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_every_answer_is_complete_whatever_went_wrong(case: Case, telemetry: Telemetry):
    async with running(create_app(settings(), routers=[router], **telemetry.shared())) as client:
        for _ in range(case.times):
            answer = await client.request(case.method, case.path, **case.options)

    assert answer.status_code == case.status
    request_id = answer.headers["x-request-id"]
    assert answer.headers["strict-transport-security"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "server" not in answer.headers

    access = telemetry.access_lines()[-1]
    assert len(telemetry.access_lines()) == case.times
    assert access["request_id"] == request_id
    assert access["http.response.status_code"] == case.status
    assert len(access["trace_id"]) == 32

    route = case.route or case.path
    method = "_OTHER" if route == "unmatched" else case.method
    labels = {"http_request_method": method, "http_route": route}
    assert telemetry.sample(COUNT, **labels, http_response_status_code=str(case.status)) == 1
    assert len(telemetry.spans) == case.times

    if case.problem:
        document = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert (document["status"], document["request_id"]) == (case.status, request_id)
        assert document["trace_id"] == access["trace_id"]
    assert SECRET not in answer.text
    assert "Traceback" not in answer.text
    assert SECRET not in str([line for line in telemetry.lines if "exception" not in line])


async def test_a_good_request_passes_every_layer(telemetry: Telemetry):
    async with running(create_app(settings(), routers=[router], **telemetry.shared())) as client:
        answer = await client.post("/v1/orders", json={"quantity": 2})
    assert (answer.status_code, answer.json()) == (200, {"quantity": 2})
    assert telemetry.sample("http_server_active_requests") == 0


def test_the_stack_is_the_documented_one():
    app = create_app(settings(), routers=[router])
    assert [middleware.cls.__name__ for middleware in app.user_middleware] == [
        "ClientAddressMiddleware",
        "RequestIdMiddleware",
        "TracingMiddleware",
        "AccessLogMiddleware",
        "MetricsMiddleware",
        "SecurityHeadersMiddleware",
        "CorsMiddleware",
        "CompressionMiddleware",
        "TrustedHostsMiddleware",
        "ErrorsMiddleware",
        "LoadMiddleware",
        "RateLimitMiddleware",
        "BodyLimitMiddleware",
        "DeadlineMiddleware",
    ]


async def test_two_services_with_different_settings_live_in_one_process():
    one, other = Telemetry(), Telemetry()
    strict = settings().model_copy(update={"name": "strict"})
    lax = Settings(name="lax", trusted_hosts={"allowed": ["*"]})
    first = create_app(strict, routers=[router], **one.shared())
    second = create_app(lax, routers=[router], **other.shared())
    async with running(first) as a, running(second) as b:
        refused = await a.get("/v1/boom", headers={"host": "evil"})
        taken = await b.post("/v1/orders", json={"quantity": 1}, headers={"host": "evil"})
    assert (refused.status_code, taken.status_code) == (400, 200)
    assert {line["service"] for line in one.lines} == {"strict"}
    assert {line["service"] for line in other.lines} == {"lax"}
    assert (len(one.spans), len(other.spans)) == (1, 1)
