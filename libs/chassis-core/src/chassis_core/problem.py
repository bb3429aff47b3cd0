"""Problems: the one shape in which every error leaves the process (RFC 9457).

Problem
├── BadRequest 400            ├── PreconditionFailed 412
├── Unauthenticated 401       ├── ContentTooLarge 413
├── Forbidden 403             ├── UnsupportedMediaType 415
├── NotFound 404              ├── Unprocessable 422
├── Conflict 409              ├── PreconditionRequired 428
├── InternalError 500         ├── TooManyRequests 429
├── BadGateway 502            ├── Unavailable 503
└── GatewayTimeout 504
"""

from collections.abc import Awaitable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import quote

import orjson
from opentelemetry import trace
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chassis_core import context

CONTENT_TYPE = "application/problem+json"
REFUSAL = "chassis.refusal"
"""Scope key of a request that was refused when it was read, as no HTTP or as too much: the problem
to answer with."""
_RENAMED = {413: "Content Too Large", 422: "Unprocessable Content"}
"""Phrases that Python has under an older name before 3.13."""
_TEXT = {"type": "string"}
_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "What went wrong (RFC 9457).",
    "type": "object",
    "properties": {
        "type": _TEXT | {"format": "uri-reference"},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "instance": _TEXT,
        "request_id": _TEXT,
        "trace_id": _TEXT,
        "errors": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["type", "title", "status"],
}


class Problem(HTTPException):
    """An error with the answer it becomes.

    It is an `HTTPException`, so that the framework passes it on where it would hide another
    exception: inside `receive`, for one.

    Args:
        detail: what went wrong with this request, for whoever sent it. Never an internal.
        status: HTTP status, when no subclass fits.
        type: URI of the problem type (RFC 9457 §3.1.1).
        headers: sent with the answer, e.g. `Retry-After`.
        extensions: further members of the problem document.
    """

    status: ClassVar[int] = 500

    def __init__(
        self,
        detail: str | None = None,
        *,
        status: int | None = None,
        type: str = "about:blank",  # noqa: A002 - the member's name in RFC 9457
        headers: Mapping[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        super().__init__(status or self.status, detail, dict(headers or {}))
        self.type = type
        self.text = detail
        self.extensions = extensions

    def document(self, instance: str) -> dict[str, Any]:
        """Return the problem document of this error for the request to `instance`."""
        members: dict[str, Any] = {
            "type": self.type,
            "title": title(self.status_code),
            "status": self.status_code,
        }
        if self.text is not None:
            members["detail"] = self.text
        members["instance"] = instance
        if (request := context.current()) is not None:
            members["request_id"] = request.request_id
        if (span := trace.get_current_span().get_span_context()).is_valid:
            members["trace_id"] = trace.format_trace_id(span.trace_id)
        return members | self.extensions


class BadRequest(Problem):
    """The request cannot be understood."""

    status = 400


class Unauthenticated(Problem):
    """There is no valid credential (RFC 6750 §3): always sent with `WWW-Authenticate`."""

    status = 401


class Forbidden(Problem):
    """The caller is known and may not do this."""

    status = 403


class NotFound(Problem):
    """There is no such thing, or none that this caller may know of."""

    status = 404


class Conflict(Problem):
    """The request does not fit the state of the thing."""

    status = 409


class PreconditionFailed(Problem):
    """The thing has changed since the caller last saw it (`If-Match`)."""

    status = 412


class ContentTooLarge(Problem):
    """The body is larger than this service takes."""

    status = 413


class UnsupportedMediaType(Problem):
    """The body's type or coding is not one that this service reads."""

    status = 415


class Unprocessable(Problem):
    """The request is well formed and breaks a rule."""

    status = 422


class PreconditionRequired(Problem):
    """A change must say which version it is meant for (RFC 6585 §3)."""

    status = 428


class TooManyRequests(Problem):
    """The caller has used up a quota."""

    status = 429


class InternalError(Problem):
    """The service failed; the cause is in its logs under the same request id."""

    status = 500


class BadGateway(Problem):
    """A service that this one needs gave no usable answer."""

    status = 502


class Unavailable(Problem):
    """The service cannot do this now; `Retry-After` says when to ask again."""

    status = 503


class GatewayTimeout(Problem):
    """The time for this request ran out."""

    status = 504


def responses(*statuses: int) -> dict[Any, Any]:
    """Return the `responses=` of a route that answers with problems of these statuses."""
    return {status: _response(title(status)) for status in statuses}


def responses_anywhere() -> dict[Any, Any]:
    """Return the `responses=` of an app: what its concerns may answer on any route, and the rest.

    The rest is any other problem; without it the framework would promise its own kind of 422.
    """
    own = responses(400, 413, 415, 429, 500, 503, 504)
    return {**own, "default": _response("Any other problem")}


def _response(description: str) -> dict[str, Any]:
    return {"description": description, "content": {CONTENT_TYPE: {"schema": _SCHEMA}}}


def title(status: int) -> str:
    """Return the standard phrase of an HTTP status (RFC 9110 §15)."""
    try:
        return _RENAMED.get(status) or HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def respond(problem: Problem, scope: Scope) -> Response:
    """Return the response of `problem` to the request in `scope`."""
    # A URI reference, in which no character means anything to whoever shows it as HTML.
    instance = quote(str(scope.get("path", "/"))[:256], errors="replace")
    body = orjson.dumps(problem.document(instance), default=str)
    headers = {"cache-control": "no-store"} | dict(problem.headers or {})
    return Response(body, problem.status_code, headers, CONTENT_TYPE)


def send_problem(problem: Problem, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    """Answer with `problem` where there is no handler to return a response from."""
    return respond(problem, scope)(scope, receive, send)
