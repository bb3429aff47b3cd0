import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import brotli
import pytest
import zstandard
from chassis_core import App, compose
from chassis_core.concerns.compression import (
    CompressionMiddleware,
    CompressionSettings,
    best_coding,
    compression,
)
from chassis_core.testing import running
from fastapi import APIRouter, Request, Response
from pydantic import ValidationError
from starlette.responses import StreamingResponse

BODY = json.dumps([{"id": n, "name": f"item {n}"} for n in range(200)]).encode()
DECODERS = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": lambda body: zstandard.ZstdDecompressor().decompress(body, max_output_size=1 << 20),
}
router = APIRouter()


@router.api_route("/large", methods=["GET", "HEAD", "POST"])
@router.get("/oauth2/token")
@router.get("/oauth2x")
async def large(request: Request) -> Response:
    headers = dict(request.query_params)
    return Response(BODY, media_type=headers.pop("type", "application/json"), headers=headers)


@router.get("/small")
async def small() -> dict[str, str]:
    return {"a": "b"}


@router.get("/empty/{status}")
async def empty(status: int) -> Response:
    return Response(status_code=status, headers={"ETag": 'W/"1"'})


@router.get("/stream")
async def stream(media_type: str) -> StreamingResponse:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"data: " + b"x" * 2000 + b"\n\n"

    return StreamingResponse(pieces(), media_type=media_type)


def _app(**settings: Any) -> App:
    return compose([compression(CompressionSettings(**settings))], routers=[router])


async def _raw(path: str, accept: str | None, method: str = "GET", **query: str) -> Any:
    """Return the response, with the body as it was on the wire."""
    async with running(_app()) as client:
        request = client.build_request(method, path, params=query)
        del request.headers["accept-encoding"]
        if accept is not None:
            request.headers["accept-encoding"] = accept
        response = await client.send(request, stream=True)
        return response, b"".join([chunk async for chunk in response.aiter_raw()])


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
async def test_a_large_body_comes_in_the_coding_asked_for(coding: str) -> None:
    response, body = await _raw("/large", coding)
    assert response.headers["content-encoding"] == coding
    assert int(response.headers["content-length"]) == len(body) < len(BODY) / 3
    assert DECODERS[coding](body) == BODY


@pytest.mark.parametrize(
    "accept, coding",
    [
        (b"", "identity"),
        (b"gzip", "gzip"),
        (b"X-GZIP", "gzip"),
        (b"gzip, deflate, br, zstd", "zstd"),
        (b"gzip, br", "br"),
        (b"gzip;q=1.0, br;q=0.5, zstd;q=0.1", "gzip"),
        (b"gzip;q=0.2, br ; q=0.8", "br"),
        (b"zstd;q=0, br;q=0, gzip", "gzip"),
        (b"*", "zstd"),
        (b"*;q=0.5, gzip", "gzip"),
        (b"zstd;q=0, *", "br"),
        (b"*;q=0", "identity"),
        (b"identity", "identity"),
        (b"identity;q=1, gzip;q=0.5", "identity"),
        (b"identity;q=0.5, gzip;q=0.5", "gzip"),
        (b"deflate, compress", "identity"),
        (b"gzip;q=nan", "identity"),
        (b"gzip;q=7", "identity"),
        (b"gzip;q=", "identity"),
        (b"gzip;q=-1", "identity"),
        (b"gz\xffip;;;,,", "identity"),
    ],
)
def test_the_coding_is_the_one_that_the_client_weighs_most(accept: bytes, coding: str) -> None:
    assert best_coding(accept) == coding


@pytest.mark.parametrize("accept", [None, "identity", "deflate", "gzip"])
async def test_caches_are_told_that_the_answer_depends_on_accept_encoding(accept) -> None:
    response, _ = await _raw("/large", accept, vary="Origin")
    varies = {value.strip().lower() for value in response.headers["vary"].split(",")}
    assert varies == {"origin", "accept-encoding"}


@pytest.mark.parametrize("accept", [None, "gzip"])
async def test_a_small_body_is_sent_as_it_is(accept) -> None:
    response, body = await _raw("/small", accept)
    assert "content-encoding" not in response.headers
    assert "vary" not in response.headers
    assert body == b'{"a":"b"}'


async def test_a_body_that_is_coded_already_is_left_alone() -> None:
    response, body = await _raw("/large", "gzip", **{"content-encoding": "br"})
    assert response.headers["content-encoding"] == "br"
    assert body == BODY


@pytest.mark.parametrize("media_type", ["text/event-stream", "application/json", "text/plain"])
async def test_a_stream_is_sent_piece_by_piece_as_it_comes(media_type: str) -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", media_type.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"x" * 5000, "more_body": True})
        assert sent[-1]["body"] == b"x" * 5000
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [(b"accept-encoding", b"gzip")],
    }
    await CompressionMiddleware(app, settings=CompressionSettings())(scope, None, send)
    assert len(sent) == 3


async def test_an_event_stream_is_never_compressed_in_an_app() -> None:
    response, body = await _raw("/stream", "gzip", media_type="text/event-stream")
    assert "content-encoding" not in response.headers
    assert body.startswith(b"data: xxx")


async def test_a_picture_is_not_compressed_again() -> None:
    response, body = await _raw("/large", "gzip", type="image/png")
    assert "content-encoding" not in response.headers
    assert body == BODY


async def test_a_strong_etag_keeps_the_bytes_it_names_so_that_if_match_works() -> None:
    response, body = await _raw("/large", "gzip", etag='"v1"')
    assert response.headers["etag"] == '"v1"'
    assert "content-encoding" not in response.headers
    assert body == BODY


async def test_a_weak_etag_allows_compression() -> None:
    response, body = await _raw("/large", "gzip", etag='W/"v1"')
    assert response.headers["etag"] == 'W/"v1"'
    assert gzip.decompress(body) == BODY


async def test_no_transform_is_obeyed() -> None:
    response, _ = await _raw("/large", "gzip", **{"cache-control": "private, no-transform"})
    assert "content-encoding" not in response.headers


async def test_what_may_hold_a_secret_beside_input_is_never_compressed() -> None:
    response, _ = await _raw("/oauth2/token", "gzip")
    assert "content-encoding" not in response.headers
    assert "vary" not in response.headers
    neighbour, _ = await _raw("/oauth2x", "gzip")
    assert neighbour.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_is_left_alone(status: int) -> None:
    response, body = await _raw(f"/empty/{status}", "gzip")
    assert response.status_code == status
    assert "content-encoding" not in response.headers
    assert body == b""


async def test_a_head_request_is_left_alone() -> None:
    response, _ = await _raw("/large", "gzip", method="HEAD")
    assert "content-encoding" not in response.headers
    assert int(response.headers["content-length"]) == len(BODY)


async def test_layers_outside_still_see_the_route_that_was_matched() -> None:
    app = _app()
    scopes: list[Any] = []

    async def outside(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await app(scope, receive, send)

    outside.router = app.router  # type: ignore[attr-defined]  # running() wants an app
    async with running(outside) as client:
        await client.get("/large", headers={"Accept-Encoding": "gzip"})
    assert scopes[0]["route"].path == "/large"


def test_a_relative_path_is_refused_at_start() -> None:
    with pytest.raises(ValidationError, match="must be a path such as /oauth2"):
        CompressionSettings(excluded_paths=("oauth2",))
