"""A key set on loopback that can be served as wrongly as the world serves it."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, cast

Fault = Literal[
    "ok", "500", "slow", "hang", "huge", "notjson", "mixed", "dup", "redirect", "gzipbomb", "empty"
]
"""How the key set is served: `mixed` puts a secret, an encryption key and rubbish beside the real
keys, `dup` a stranger's key under each kid, `slow` sends a byte at a time."""

_MEGABYTES = 40
_STRANGERS_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
_RUBBISH = [
    1,
    None,
    "key",
    {},
    {"kty": "EC", "crv": "P-256", "x": 1, "y": []},
    {"kty": "RSA", "n": "AQAB"},
    {"kty": ["EC"], "kid": {"a": 1}},
]


@dataclass(frozen=True)
class _Answer:
    body: Sequence[bytes] = ()
    status: str = "200 OK"
    headers: str = ""
    pause: float = 0


_BROKEN: Mapping[Fault, Callable[[], _Answer]] = {
    "500": lambda: _Answer([b"oops"], status="500 Internal Server Error"),
    "hang": lambda: _Answer([b"{"], headers="Content-Length: 10\r\n", pause=3600),
    "huge": lambda: _Answer([b" " * 1_000_000] * _MEGABYTES),
    "notjson": lambda: _Answer([b"<html>maintenance</html>"]),
    "redirect": lambda: _Answer(status="302 Found", headers="Location: /elsewhere\r\n"),
    "gzipbomb": lambda: _Answer(
        [gzip.compress(b" " * 1_000_000) * _MEGABYTES], headers="Content-Encoding: gzip\r\n"
    ),
}


class JwksServer:
    """Serves what `document` returns, as `fault` says.

    Attributes:
        fault: how the next request is answered.
        fetches: requests for the key set so far.
        strays: requests for anything else: where a redirect was followed.
        withdrawn: kids that the document is to leave out.
        max_age: seconds of `Cache-Control: max-age`, None to send no such header.
        url: where it listens; empty before the first `running`.
    """

    def __init__(self, document: Callable[[], dict[str, Any]]) -> None:
        self._document = document
        self.fault: Fault = "ok"
        self.fetches = 0
        self.strays = 0
        self.withdrawn: set[str] = set()
        self.max_age: int | None = None
        self.url = ""
        self._port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen on loopback, on the same port each time, until the context ends."""
        connections: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = cast("asyncio.Task[None]", asyncio.current_task())
            connections.add(task)
            try:
                await self._answer(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                connections.discard(task)
                writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", self._port)
        self._port = server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/.well-known/jwks.json"
        try:
            yield
        finally:
            server.close()
            for task in list(connections):
                task.cancel()
            with suppress(TimeoutError):
                await asyncio.wait_for(server.wait_closed(), 1)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if b"/jwks.json" not in request.split(b"\r\n")[0]:
            self.strays += 1
            return
        self.fetches += 1
        answer = self._response()
        head = f"HTTP/1.1 {answer.status}\r\nConnection: close\r\n{answer.headers}\r\n"
        writer.write(head.encode())
        for chunk in answer.body:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(answer.pause)

    def _response(self) -> "_Answer":
        if self.fault in _BROKEN:
            return _BROKEN[self.fault]()
        body = json.dumps(self._set()).encode()
        age = "" if self.max_age is None else f"Cache-Control: public, max-age={self.max_age}\r\n"
        if self.fault == "slow":
            return _Answer([bytes([byte]) for byte in body], headers=age, pause=0.05)
        return _Answer([body], headers=f"{age}Content-Length: {len(body)}\r\n")

    def _set(self) -> dict[str, Any]:
        real = self._document()["keys"]
        match self.fault:
            case "empty":
                return {"keys": []}
            case "mixed":
                secret = {"kty": "oct", "kid": "shared", "k": "c2VjcmV0" * 6, "alg": "HS256"}
                encryption = [key | {"kid": "enc", "use": "enc"} for key in real]
                return {"keys": [secret, *_RUBBISH, *encryption, *real]}
            case "dup":
                strangers = [_STRANGERS_KEY | {"kid": key["kid"]} for key in real]
                return {"keys": [*strangers, *real]}
            case _:
                return {"keys": real}
