"""Compression: bodies in the best coding that a client asks for (RFC 9110 §12.5.3)."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from pydantic import Field, field_validator
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette_compress import CompressMiddleware

from chassis_core.concern import Concern, ConcernSettings, Layer
from chassis_core.problem import REFUSAL

CODINGS = ("zstd", "br", "gzip")
"""The codings offered; of those that a client wants equally, the first."""

_PLAIN_SEND = "chassis.plain_send"


class CompressionSettings(ConcernSettings):
    """What is worth compressing, and where it would be dangerous."""

    minimum_size: int = Field(1024, ge=0)
    """Bytes of body below which it is sent as it is: one network packet holds it either way."""
    level: int = Field(4, ge=1, le=9)
    """Effort of every coding, 1 to 9: 4 takes a third of the time of 9 for 5 % more bytes."""
    excluded_paths: tuple[str, ...] = ("/oauth2",)
    """Paths, with all below them, that are never compressed: the length of a compressed answer
    that holds a secret beside what the caller sent gives the secret away (BREACH)."""

    @field_validator("excluded_paths")
    @classmethod
    def _refuse_relative(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        if not all(path.startswith("/") and len(path) > 1 for path in paths):
            raise ValueError("each must be a path such as /oauth2")
        return tuple(path.rstrip("/") for path in paths)


class CompressionMiddleware:
    """Compresses finished bodies of a known length, and leaves everything else alone.

    Streams are sent as they come: a coder would hold their pieces back. So is what is coded
    already, what says `Cache-Control: no-transform`, and what has a strong `ETag`: it names these
    very bytes (RFC 9110 §8.8.3), and under another tag it could not come back in `If-Match`. A weak
    one allows compression.

    Args:
        app: the app within.
        settings: what is compressed, and how much.
    """

    def __init__(self, app: ASGIApp, *, settings: CompressionSettings) -> None:
        self._app = app
        self._minimum_size = settings.minimum_size
        self._excluded = settings.excluded_paths
        self._below_excluded = tuple(f"{path}/" for path in settings.excluded_paths)
        self._coders = {
            coding: CompressMiddleware(
                self._gate,
                minimum_size=settings.minimum_size,
                zstd=coding == "zstd",
                zstd_level=settings.level,
                brotli=coding == "br",
                brotli_quality=settings.level,
                gzip=coding == "gzip",
                gzip_level=settings.level,
            )
            for coding in CODINGS
        }
        self._coding: Callable[[bytes], str] = lru_cache(256)(best_coding)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, its answer compressed if that is allowed and worth it."""
        if scope["type"] != "http" or scope["method"] == "HEAD" or self._excludes(scope):
            await self._app(scope, receive, send)
            return
        accepted = [value for name, value in scope["headers"] if name == b"accept-encoding"]
        if not accepted or (coder := self._coders.get(self._coding(b",".join(accepted)))) is None:
            await self._app(scope, receive, self._varying(send))
            return
        # Written into the scope itself: outer layers read from it what inner ones learn.
        scope[_PLAIN_SEND] = send
        await coder(scope, receive, send)

    def _excludes(self, scope: Scope) -> bool:
        path: str = scope["path"]
        return REFUSAL in scope or path in self._excluded or path.startswith(self._below_excluded)

    async def _gate(self, scope: Scope, receive: Receive, send: Send) -> None:
        plain_send: Send = scope[_PLAIN_SEND]

        async def choose(message: Message) -> None:
            nonlocal send
            if message["type"] == "http.response.start" and not self._worth(message["headers"]):
                send = plain_send
            await send(message)

        await self._app(scope, receive, choose)

    def _varying(self, send: Send) -> Send:
        async def mark(message: Message) -> None:
            if message["type"] == "http.response.start" and self._worth(message["headers"]):
                message["headers"] = [*message["headers"], (b"vary", b"Accept-Encoding")]
            await send(message)

        return mark

    def _worth(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        long_enough = False
        for name, value in headers:
            if name == b"content-length":
                long_enough = int(value) >= self._minimum_size
            elif (name == b"etag" and not value.startswith(b"W/")) or (
                name == b"cache-control" and b"no-transform" in value
            ):
                return False
        return long_enough


def best_coding(accept_encoding: bytes) -> str:
    """Return the coding that `Accept-Encoding` weighs most and this service has, or "identity"."""
    weights: dict[str, float] = {}
    for item in accept_encoding.decode("latin-1").lower().split(","):
        coding, *parameters = (part.strip() for part in item.split(";"))
        weights[coding.removeprefix("x-")] = _quality(parameters)
    rest = weights.get("*", 0.0)
    best = max(CODINGS, key=lambda coding: weights.get(coding, rest))
    weight = weights.get(best, rest)
    return best if weight > 0 and weight >= weights.get("identity", 0.0) else "identity"


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.rstrip() == "q":
            try:
                quality = float(value)
            except ValueError:
                return 0.0
            return quality if 0 <= quality <= 1 else 0.0
    return 1.0


def compression(settings: CompressionSettings) -> Concern:
    """Return the concern that compresses answers."""
    layer = Middleware(CompressionMiddleware, settings=settings)
    return Concern(name="compression", middleware={Layer.COMPRESSION: layer})
