"""CORS: which web pages of other origins may call this service (Fetch standard §3.3)."""

import re
from typing import Self

from pydantic import Field, field_validator, model_validator
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chassis_core.concern import Concern, ConcernSettings, Layer
from chassis_core.problem import BadRequest, send_problem

_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/?#@\s*]+")


class CorsSettings(ConcernSettings):
    """Who may call from a browser, with what, and what they may read of the answer."""

    allow_origins: tuple[str, ...] = ()
    """Origins such as `https://shop.example.org`, or `*` for every one. Empty, as most services are
    called by no browser: then nothing is added to any answer."""
    allow_methods: tuple[str, ...] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    """Methods that a page may use."""
    allow_headers: tuple[str, ...] = (
        "authorization",
        "content-type",
        "idempotency-key",
        "if-match",
        "if-none-match",
        "traceparent",
        "tracestate",
        "x-request-id",
    )
    """Request headers that a page may set: those that the chassis reads."""
    allow_credentials: bool = False
    """Whether a page may send cookies; tokens in a header need it not."""
    expose_headers: tuple[str, ...] = (
        "ETag",
        "Location",
        "RateLimit",
        "RateLimit-Policy",
        "Retry-After",
        "X-Request-ID",
    )
    """Response headers that a page may read: those that the chassis writes for clients."""
    max_age: int = Field(600, ge=0)
    """Seconds a browser remembers a preflight answer: a change of policy is seen soon."""

    @field_validator("allow_origins")
    @classmethod
    def _refuse_what_never_matches(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_ORIGIN.fullmatch(origin) for origin in origins):
            raise ValueError(
                "each must be an origin such as https://shop.example.org, "
                "lower-case and with no path or closing slash"
            )
        return origins

    @model_validator(mode="after")
    def _refuse_everyone_with_credentials(self) -> Self:
        if self.allow_credentials and "*" in self.allow_origins:
            raise ValueError(
                "allow_origins '*' with allow_credentials lets every web page act as the user: "
                "name the origins"
            )
        return self


class _Refusal(Response):
    def __init__(self, refused: Response) -> None:
        super().__init__(status_code=refused.status_code)
        self._problem = BadRequest(
            bytes(refused.body).decode() + ".",
            headers={k: v for k, v in refused.headers.items() if not k.startswith("content-")},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_problem(self._problem, scope, receive, send)


class CorsMiddleware(CORSMiddleware):
    """Starlette's CORS middleware; a preflight that it refuses is answered with a problem."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """Return the answer to a preflight request."""
        response = super().preflight_response(request_headers)
        return response if response.status_code < 400 else _Refusal(response)


def cors(settings: CorsSettings) -> Concern:
    """Return the concern that answers preflights and marks what other origins may read."""
    if not settings.allow_origins:
        return Concern(name="cors")
    layer = Middleware(CorsMiddleware, **settings.model_dump())
    return Concern(name="cors", middleware={Layer.CORS: layer})
