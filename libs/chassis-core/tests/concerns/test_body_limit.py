"""The body limit on assembled apps: too large, coded, loose JSON, and what passes."""

from collections.abc import AsyncIterator
from typing import Annotated

import pytest
from chassis_core import compose
from chassis_core.concerns.body_limit import BodyLimitSettings, body_limit
from chassis_core.concerns.errors import errors
from chassis_core.testing import running
from fastapi import APIRouter, Body, Form, Request

LIMIT = 1000
PART = b'--x\r\nContent-Disposition: form-data; name="field"\r\n\r\n+AGE-\r\n--x--\r\n'
router = APIRouter()


@router.post("/model")
async def model(body: Annotated[dict, Body()]) -> dict:
    return body


@router.post("/form")
async def form(field: Annotated[str, Form()]) -> str:
    return field


@router.post("/raw")
async def raw(request: Request) -> int:
    return len(await request.body())


@router.post("/stream")
async def stream(request: Request) -> int:
    return sum([len(part) async for part in request.stream()])


@pytest.fixture
async def client() -> AsyncIterator:
    app = compose([errors(), body_limit(BodyLimitSettings(max_bytes=LIMIT))], routers=[router])
    async with running(app) as client:
        yield client


async def parts(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 100):
        yield body[start : start + 100]


TYPES = {
    "/model": "application/json",
    "/form": "application/x-www-form-urlencoded",
    "/raw": "application/octet-stream",
    "/stream": "text/plain",
}


@pytest.mark.parametrize("path", TYPES)
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_413_however_it_is_sent_and_read(client, path, chunked):
    body = b"field=" + b"a" * LIMIT
    content = parts(body) if chunked else body
    answer = await client.post(path, content=content, headers={"content-type": TYPES[path]})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    assert answer.json()["max_bytes"] == LIMIT


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_of_exactly_the_limit_passes(client, chunked):
    body = b"a" * LIMIT
    answer = await client.post("/stream", content=parts(body) if chunked else body)
    assert answer.json() == LIMIT


async def test_a_multipart_form_is_bounded_too(client):
    answer = await client.post("/form", files={"field": b"a" * LIMIT})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "charset",
    [
        b"; charset=utf-7",
        b"; CHARSET=utf-7",
        b'; charset="utf-7"',
        b"; charset = utf-7",
        b";\xa0charset=utf-7",
        b"; charset=utf-8; charset=utf-7",
        b"; charset=utf-8-utf-7",
        b"; charset=punycode",
        b"; charset*=utf-8''utf-7",
        b"; charset*0=utf; charset*1=-7",
        b";;;charset=utf-7",
        b" ; charset='utf-7'",
    ],
)
@pytest.mark.parametrize("type_", [b"multipart/form-data", b"\xa0Multipart/Form-Data"])
async def test_no_form_is_decoded_with_a_codec_that_its_sender_names(client, type_, charset):
    answer = await client.post(
        "/form", content=PART, headers={"content-type": type_ + b"; boundary=x" + charset}
    )
    assert answer.status_code in {415, 422} or answer.json() == "+AGE-"


@pytest.mark.parametrize("charset", ["", ";charset=utf-8", '; charset="UTF-8"', "; charset=ascii"])
async def test_a_form_in_utf_8_is_taken(client, charset):
    answer = await client.post(
        "/form", content=PART, headers={"content-type": f"multipart/form-data{charset}; boundary=x"}
    )
    assert answer.json() == "+AGE-"


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip", "x"])
async def test_a_coded_body_is_415_and_says_what_is_taken(client, coding):
    answer = await client.post("/raw", content=b"a", headers={"content-encoding": coding})
    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "identity"
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "type_", ["application/json", "Application/Merge-Patch+JSON; charset=utf-8"]
)
@pytest.mark.parametrize(
    "body, status",
    [
        (b'{"a": NaN}', 400),
        (b'{"a": 1,}', 400),
        (b'{"a": "\xff"}', 400),
        (b'\xef\xbb\xbf{"a": 1}', 400),
        (b'{"a": 1, "a": 2}', 422),
        (b'{"a": "\\u0000"}', 422),
        (b'{"a": "\\ud800"}', 422),
        (b'{"a": 18446744073709551616}', 422),
        (b'{"a": 1e400}', 422),
        (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}", 422),
        (b'{"a": 1}', 200),
    ],
)
@pytest.mark.parametrize("path", ["/model", "/raw"])
async def test_json_is_strict_before_the_app_sees_it(client, path, type_, body, status):
    answer = await client.post(path, content=body, headers={"content-type": type_})
    assert answer.status_code == status
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert "detail" in answer.json()


@pytest.mark.parametrize(
    "type_",
    [
        b"application/+json",
        b"application/a b+json",
        b"application/a/b+json",
        b"\xa0application/json",
        b"application/json\x85;",
    ],
)
async def test_no_spelling_of_its_type_lets_loose_json_past(client, type_):
    for body in (b'{"a": 1, "a": 2}', b'{"a": NaN}'):
        answer = await client.post("/model", content=body, headers={"content-type": type_})
        assert answer.status_code in {400, 415, 422}


async def test_other_types_are_not_read_as_json(client):
    answer = await client.post("/raw", content=b"{,", headers={"content-type": "text/json-like"})
    assert answer.json() == 2


async def test_an_empty_body_is_left_to_the_app_unless_it_is_to_be_json(client):
    headers = {"content-type": "application/json"}
    assert (await client.post("/raw", content=b"", headers=headers)).json() == 0
    assert (await client.post("/model", content=b"", headers=headers)).status_code == 400


@pytest.mark.parametrize("length", ["abc", "-1", "9" * 40])
async def test_a_length_that_is_no_number_is_400(client, length):
    answer = await client.post("/raw", content=b"a", headers={"content-length": length})
    assert answer.status_code == 400
