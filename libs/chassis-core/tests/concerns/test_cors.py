from typing import Any

import pytest
from chassis_core import App, compose
from chassis_core.concern import Layer
from chassis_core.concerns.cors import CorsSettings, cors
from chassis_core.concerns.errors import errors
from chassis_core.concerns.request_id import request_id
from chassis_core.concerns.security_headers import SecurityHeadersSettings, security_headers
from chassis_core.testing import running
from fastapi import APIRouter, Response
from pydantic import ValidationError

SHOP = "https://shop.example.org"
router = APIRouter()


@router.get("/")
async def root(response: Response) -> str:
    response.headers["Vary"] = "Accept"
    return "ok"


@router.get("/boom")
async def boom() -> None:
    raise RuntimeError


def _app(**settings: Any) -> App:
    settings.setdefault("allow_origins", (SHOP,))
    outer = [request_id(), security_headers(SecurityHeadersSettings()), errors()]
    return compose([cors(CorsSettings(**settings)), *outer], routers=[router])


def _preflight(origin: str = SHOP, method: str = "GET", headers: str = "") -> dict[str, str]:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    return asked | ({"Access-Control-Request-Headers": headers} if headers else {})


def _listed(header: str) -> set[str]:
    return {value.strip().lower() for value in header.split(",")}


async def test_without_origins_there_is_no_middleware_and_no_header() -> None:
    assert cors(CorsSettings()).middleware == {}
    async with running(_app(allow_origins=())) as client:
        response = await client.get("/", headers={"Origin": SHOP})
    assert not [name for name in response.headers if name.startswith("access-control")]


async def test_an_allowed_origin_may_read_what_the_chassis_writes_for_clients() -> None:
    async with running(_app()) as client:
        response = await client.get("/", headers={"Origin": SHOP})
    assert response.headers["access-control-allow-origin"] == SHOP
    exposed = _listed(response.headers["access-control-expose-headers"])
    assert exposed >= {"x-request-id", "ratelimit", "ratelimit-policy", "retry-after", "etag"}
    assert _listed(response.headers["vary"]) == {"accept", "origin"}


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}])
async def test_an_answer_to_another_origin_varies_too_and_allows_nothing(headers) -> None:
    async with running(_app()) as client:
        response = await client.get("/", headers=headers)
    assert "access-control-allow-origin" not in response.headers
    assert _listed(response.headers["vary"]) == {"accept", "origin"}


async def test_a_500_can_be_read_by_an_allowed_origin() -> None:
    async with running(_app()) as client:
        response = await client.get("/boom", headers={"Origin": SHOP})
    assert response.status_code == 500
    assert response.headers["access-control-allow-origin"] == SHOP


async def test_a_preflight_is_answered_with_request_id_and_security_headers() -> None:
    asked = _preflight(method="POST", headers="authorization, idempotency-key, traceparent")
    async with running(_app()) as client:
        response = await client.options("/", headers=asked)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == SHOP
    assert "POST" in response.headers["access-control-allow-methods"]
    assert response.headers["x-request-id"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "origin" in _listed(response.headers["vary"])


@pytest.mark.parametrize(
    "asked, named",
    [
        (_preflight(origin="https://evil.example"), "origin"),
        (_preflight(method="TRACE"), "method"),
        (_preflight(headers="x-evil"), "headers"),
    ],
)
async def test_a_refused_preflight_is_a_problem_that_names_what_is_refused(asked, named) -> None:
    async with running(_app()) as client:
        response = await client.options("/", headers=asked)
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == f"Disallowed CORS {named}."
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "origin" in _listed(response.headers["vary"])
    assert "evil" not in response.text
    assert int(response.headers["content-length"]) == len(response.content)


async def test_a_star_allows_every_origin_without_credentials() -> None:
    async with running(_app(allow_origins=("*",))) as client:
        response = await client.get("/", headers={"Origin": "https://any.example"})
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers


def test_a_star_with_credentials_is_refused_at_start() -> None:
    with pytest.raises(ValidationError, match="name the origins"):
        CorsSettings(allow_origins=("*",), allow_credentials=True)


@pytest.mark.parametrize(
    "origin",
    ["https://a.example/", "a.example", "https://*.a.example", "https://u@a.example", "null", ""],
)
def test_an_origin_that_no_browser_sends_is_refused_at_start(origin: str) -> None:
    with pytest.raises(ValidationError, match="each must be an origin such as"):
        CorsSettings(allow_origins=(origin,))


def test_cors_stands_in_its_layer() -> None:
    assert list(cors(CorsSettings(allow_origins=(SHOP,))).middleware) == [Layer.CORS]
