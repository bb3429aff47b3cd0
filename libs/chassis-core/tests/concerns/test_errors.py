import asyncio
import json

import pytest
from chassis_core import compose
from chassis_core.concerns.errors import errors
from chassis_core.concerns.request_id import request_id
from chassis_core.problem import Conflict, Problem, Unavailable
from chassis_core.testing import running
from fastapi import APIRouter, HTTPException, Response
from pydantic import BaseModel
from starlette.responses import StreamingResponse

router = APIRouter()


class Body(BaseModel, extra="forbid"):
    name: str
    tags: dict[str, list[int]] = {}


@router.get("/boom")
async def boom() -> None:
    raise RuntimeError("the password is hunter2")


@router.get("/http")
async def http() -> None:
    raise HTTPException(418, "short and stout", headers={"X-Pot": "tea"})


@router.get("/problem")
async def problem() -> None:
    raise Conflict("order 7 is cancelled already", type="https://example.com/p/cancelled", order=7)


@router.get("/later")
async def later() -> None:
    raise Unavailable("later", headers={"Retry-After": "3"})


@router.get("/cut")
async def cut() -> StreamingResponse:
    async def body():
        yield b"begun"
        raise RuntimeError("too late")

    return StreamingResponse(body())


@router.get("/split")
async def split(response: Response) -> None:
    response.headers["x-name"] = "a\r\nset-cookie: b=c"


@router.get("/awaits-cancelled")
async def awaits_cancelled() -> None:
    work = asyncio.create_task(asyncio.sleep(60))
    work.cancel()
    await work


@router.post("/body")
async def body(_: Body) -> None: ...


@router.get("/body")
async def read() -> None: ...


@pytest.fixture
async def client():
    async with running(compose([errors(), request_id()], routers=[router])) as client:
        yield client


async def test_an_unhandled_exception_becomes_a_500_that_tells_nothing(client):
    answer = await client.get("/boom")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "instance": "/boom",
        "request_id": answer.headers["x-request-id"],
    }


@pytest.mark.parametrize("path", ["/split", "/awaits-cancelled"])
async def test_what_only_the_server_would_notice_is_an_unhandled_exception_too(client, path):
    answer = await client.get(path)
    assert answer.status_code == 500
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "set-cookie" not in answer.headers


async def test_a_problem_keeps_its_type_detail_and_extensions(client):
    document = (await client.get("/problem")).json()
    assert document["type"] == "https://example.com/p/cancelled"
    assert (document["status"], document["title"]) == (409, "Conflict")
    assert (document["detail"], document["order"]) == ("order 7 is cancelled already", 7)


async def test_the_headers_of_an_error_reach_the_client(client):
    assert (await client.get("/later")).headers["retry-after"] == "3"
    answer = await client.get("/http")
    assert (answer.status_code, answer.headers["x-pot"]) == (418, "tea")
    assert answer.json()["detail"] == "short and stout"


async def test_a_path_without_a_route_and_a_wrong_method_are_problems(client):
    missing = await client.get("/nowhere")
    assert (missing.status_code, missing.json()["title"]) == (404, "Not Found")
    wrong = await client.delete("/boom")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET")
    assert wrong.json()["title"] == "Method Not Allowed"


async def test_a_wrong_method_is_told_every_method_of_the_path(client):
    assert (await client.put("/body")).headers["allow"] == "GET, POST"


async def test_a_validation_error_names_the_place_and_the_rule_but_never_the_input(client):
    secret = {"name": 7, "tags": {"a/b~c": ["hunter2"]}, "extra": "hunter2"}
    answer = await client.post("/body", json=secret)
    assert answer.status_code == 422
    assert "hunter2" not in answer.text
    places = {(e["in"], e["pointer"]): e["rule"] for e in answer.json()["errors"]}
    assert places == {
        ("body", "/name"): "string_type",
        ("body", "/tags/a~1b~0c/0"): "int_parsing",
        ("body", "/extra"): "extra_forbidden",
    }


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "", "multipart/form-data; boundary=x"]
)
async def test_a_body_of_a_type_that_is_not_read_is_415_and_told_which_is(client, kind):
    answer = await client.post("/body", content=b'{"name": "a"}', headers={"Content-Type": kind})
    assert (answer.status_code, answer.headers["accept"]) == (415, "application/json")


async def test_an_empty_body_is_no_json(client):
    json_type = {"Content-Type": "application/json"}
    assert (await client.post("/body", headers=json_type)).status_code == 400
    assert (await client.post("/body", content=b"null", headers=json_type)).status_code == 422
    assert (await client.post("/body")).status_code == 422


async def test_a_problem_has_the_title_of_rfc_9110_on_every_python(client):
    answer = await client.post("/body", json={})
    assert (answer.json()["title"], answer.reason_phrase) == ("Unprocessable Content",) * 2


async def test_a_huge_invalid_body_gets_a_small_answer(client):
    answer = await client.post("/body", json={f"k{n}" * 50: n for n in range(5000)})
    assert answer.status_code == 422
    assert len(answer.content) < 64_000


async def test_the_instance_is_a_uri_in_which_nothing_can_pass_for_html(client):
    answer = await client.get("/<script>alert('å')</script>")
    assert answer.json()["instance"] == "/%3Cscript%3Ealert%28%27%C3%A5%27%29%3C/script%3E"


async def test_a_path_of_odd_characters_is_answered_in_plain_json(client):
    answer = await client.get("/%ff%00%1b[31m" + "x" * 5000)
    assert answer.status_code == 404
    assert len(json.loads(answer.text)["instance"]) < 1100


async def test_an_answer_that_has_begun_is_cut_and_not_ended_cleanly():
    sent = []

    async def receive():
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/cut", "headers": [], "query_string": b""}
    with pytest.raises(RuntimeError, match="too late"):
        await compose([errors()], routers=[router])(scope, receive, send)
    assert [message.get("body") for message in sent] == [None, b"begun"]


def test_every_problem_class_has_a_status_and_a_docstring():
    for subclass in Problem.__subclasses__():
        assert 400 <= subclass.status < 600, subclass
        assert subclass.__doc__, subclass
