"""Body limit: a request's body is bounded, plain and, where it says JSON, strictly JSON."""

import re

from pydantic import Field
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis_core import strict_json
from chassis_core.concern import Concern, ConcernSettings, Layer
from chassis_core.problem import BadRequest, ContentTooLarge, Unprocessable, UnsupportedMediaType

_LENGTH = re.compile(rb"[0-9]{1,18}")
# As loose as the framework, which else would read as JSON what was never checked.
_JSON = re.compile(
    rb"[\s\x85\xa0]*application/(?:[^;]*\+)?json[\s\x85\xa0]*(?:;.*)?", re.IGNORECASE | re.DOTALL
)
# A form is decoded with the codec that its sender names, and Python knows some that take a minute
# for a megabyte (punycode) or make text that nothing can encode again (utf-7).
_FOREIGN_FORM = re.compile(
    rb"[\s\x85\xa0]*multipart/.*;[\s\x85\xa0]*charset(?!=\"?(?:utf-8|(?:us-)?ascii)\"?\s*(?:;|$))",
    re.IGNORECASE | re.DOTALL,
)
# What is left of the body is not worth reading.
_CLOSE = {"Connection": "close"}


class BodyLimitSettings(ConcernSettings):
    """What a request's body may be."""

    max_bytes: int = Field(262_144, ge=1)
    """Bytes of a body: 256 KiB hold any document a person writes. To say of each value in them that
    it is wrong takes a fifth of a second, in which nobody else is served; so a service whose bodies
    are shorter says so. Files belong in an object store."""
    max_json_depth: int = Field(64, ge=1)
    """How deeply arrays and objects may nest: far more than any model here, far less than what
    makes a recursive reader fail."""


class BodyLimitMiddleware:
    """Answers 413, 415, or 400 and 422 for JSON, before the app sees the body.

    A `Content-Length` over the limit is refused before anything is read, a chunked body when its
    sum passes the limit, and so are a coded body and a form in another charset than UTF-8. JSON is
    checked when its last part is read, by `strict_json`; the app then reads it as it likes. It
    stands inside a layer that answers problems.

    Args:
        app: the app within.
        max_bytes: bytes of a body.
        max_json_depth: nesting of a JSON body.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, max_json_depth: int = 64) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_json_depth = max_json_depth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request within the limit."""
        if scope["type"] == "http" and _may_have_body(scope):
            receive = self._limited(scope, receive)
        await self._app(scope, receive, send)

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        strict = False
        for name, value in scope["headers"]:
            if name == b"content-length":
                self._refuse_length(value)
            elif name == b"content-encoding":
                _refuse_encoding(value)
            elif name == b"content-type":
                _refuse_charset(value)
                strict = strict or _JSON.fullmatch(value) is not None
        left = self._max_bytes
        read: list[bytes] = []

        async def limited() -> Message:
            nonlocal left
            message = await receive()
            if message["type"] != "http.request":
                return message
            part = message.get("body", b"")
            left -= len(part)
            if left < 0:
                raise self._too_large()
            if strict:
                read.append(part)
                if not message.get("more_body", False):
                    self._refuse_loose_json(b"".join(read))
            return message

        return limited

    def _refuse_length(self, value: bytes) -> None:
        if not _LENGTH.fullmatch(value):
            raise BadRequest("Content-Length is not a number.", headers=_CLOSE)
        if int(value) > self._max_bytes:
            raise self._too_large()

    def _too_large(self) -> ContentTooLarge:
        text = f"The body is larger than {self._max_bytes} bytes."
        return ContentTooLarge(text, headers=_CLOSE, max_bytes=self._max_bytes)

    def _refuse_loose_json(self, body: bytes) -> None:
        if not body:
            return
        try:
            strict_json.loads(body, max_depth=self._max_json_depth)
        except strict_json.MalformedJson as error:
            raise BadRequest(f"The body is not JSON: {error}.") from None
        except strict_json.ForbiddenJson as error:
            raise Unprocessable(f"The body is JSON that is not taken: {error}.") from None


def _may_have_body(scope: Scope) -> bool:
    for name, _ in scope["headers"]:
        if name in {b"content-length", b"transfer-encoding"}:
            return True
    # Later versions frame a body without a header (RFC 9113 §8.1).
    return not scope.get("http_version", "1.1").startswith("1")


def _refuse_encoding(value: bytes) -> None:
    if value.strip().lower() != b"identity":
        headers = {"Accept-Encoding": "identity"} | _CLOSE
        raise UnsupportedMediaType("A body is taken without Content-Encoding.", headers=headers)


def _refuse_charset(value: bytes) -> None:
    if _FOREIGN_FORM.match(value):
        raise UnsupportedMediaType("A form is taken in UTF-8.", headers=_CLOSE)


def body_limit(settings: BodyLimitSettings) -> Concern:
    """Return the concern that bounds and checks request bodies."""
    middleware = Middleware(BodyLimitMiddleware, **settings.model_dump())
    return Concern(name="body_limit", middleware={Layer.BODY_LIMIT: middleware})
