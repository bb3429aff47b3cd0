import pytest
from chassis_core import ServiceSettings, compose, create_app
from chassis_core.concerns.security_headers import SecurityHeadersSettings, security_headers
from chassis_core.testing import running
from fastapi import APIRouter, Response

router = APIRouter()

# The OWASP Secure Headers Project's recommendations for an answer that is no page.
EXPECTED = {
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "x-permitted-cross-domain-policies": "none",
    "referrer-policy": "no-referrer",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store, max-age=0",
}


@router.get("/plain")
async def plain() -> str:
    return "ok"


@router.get("/cached")
async def cached(response: Response) -> str:
    response.headers["Cache-Control"] = "public, max-age=300"
    response.headers["Server"] = "telltale/1.0"
    return "ok"


def _app(**settings):
    return compose([security_headers(SecurityHeadersSettings(**settings))], routers=[router])


@pytest.mark.parametrize("path", ["/plain", "/unknown"])
async def test_every_response_carries_the_headers_that_owasp_recommends(path):
    async with running(_app()) as client:
        headers = (await client.get(path)).headers
    assert {name: headers.get(name) for name in EXPECTED} == EXPECTED
    assert "unsafe" not in headers["content-security-policy"]
    assert "camera=()" in headers["permissions-policy"]


@pytest.mark.parametrize("path", ["/plain", "/unknown"])
async def test_the_policy_of_an_answer_lets_a_browser_load_frame_and_send_nothing(path):
    async with running(create_app(ServiceSettings(name="a"), routers=[router])) as client:
        policy = (await client.get(path)).headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    # What names no source of its own, objects and scripts among it, has that of default-src.
    assert rules == dict.fromkeys(
        ("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'"
    )


async def test_a_handlers_own_cache_control_is_kept_and_stands_alone():
    async with running(_app()) as client:
        headers = (await client.get("/cached")).headers
    assert headers.get_list("cache-control") == ["public, max-age=300"]


async def test_no_response_tells_which_server_sent_it():
    async with running(_app()) as client:
        headers = (await client.get("/cached")).headers
    assert "server" not in headers


async def test_hsts_can_be_left_out():
    async with running(_app(hsts_max_age=0)) as client:
        headers = (await client.get("/plain")).headers
    assert "strict-transport-security" not in headers
