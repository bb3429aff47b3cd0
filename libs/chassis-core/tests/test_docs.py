import re
from base64 import b64encode
from hashlib import sha256

import pytest
from chassis_core import ServiceSettings, create_app
from chassis_core.testing import running
from fastapi import APIRouter


@pytest.fixture
async def client():
    async with running(create_app(ServiceSettings(name="a <b>"))) as client:
        yield client


async def test_the_page_names_the_document_and_takes_scripts_by_their_digest_alone(client):
    page = await client.get("/docs")
    assert "<title>a &lt;b&gt;</title>" in page.text
    [document] = re.findall('data-document="(.*?)"', page.text)
    assert (await client.get(document)).json()["info"]["title"] == "a <b>"

    policy = page.headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    [inline] = re.findall("<script>(.*?)</script>", page.text)
    digest = b64encode(sha256(inline.encode()).digest()).decode()
    [source, allowed] = rules["script-src"].split()
    assert allowed == f"'sha256-{digest}'"
    for tag in re.findall(r"<(?:script|link)[^>]+https:[^>]+>", page.text):
        assert source in tag
        assert 'integrity="sha384-' in tag
        assert 'crossorigin="anonymous"' in tag


async def test_no_other_path_gets_the_policy_of_the_page(client):
    for path in ("/docs/", "/docs/x", "/openapi.json", "/redoc"):
        assert "jsdelivr" not in (await client.get(path)).headers["content-security-policy"]
    assert "/docs" not in (await client.get("/openapi.json")).json()["paths"]


async def test_the_document_promises_no_error_that_is_not_a_problem():
    router = APIRouter()

    @router.get("/things/{number}")
    async def read(number: int) -> int:
        return number

    document = create_app(ServiceSettings(name="a"), routers=[router]).openapi()
    answers = document["paths"]["/things/{number}"]["get"]["responses"]
    assert list(answers.pop("200")["content"]) == ["application/json"]
    assert {"429", "503", "default"} <= answers.keys()
    for answer in answers.values():
        assert list(answer["content"]) == ["application/problem+json"]
