"""One request with an idempotency key: what identifies it, and its execution, once."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

import orjson
from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from chassis_core.concern import PRINCIPAL
from chassis_core.problem import BadRequest

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
TYPES = "urn:problem-type:idempotency:"
_KEY = re.compile(r'("?)([\x21\x23-\x5b\x5d-\x7e]{1,255})\1')

IDEMPOTENCY_KEY: dict[str, Any] = {
    "parameters": [
        {
            "name": HEADER,
            "in": "header",
            "required": True,
            "description": "Made up by the client, the same whenever it sends this request again.",
            "schema": {
                "type": "string",
                "pattern": r'^([!#-\[\]-~]{1,255}|"[!#-\[\]-~]{1,255}")$',
            },
        }
    ]
}
"""For `openapi_extra` of a route that takes an `Idempotent`: the header that it needs."""


class Replayed(Exception):
    """The request was executed before: `answer` is what it was answered."""

    def __init__(self, status: int, headers: Sequence[Sequence[str]], body: bytes) -> None:
        super().__init__(status)
        self.answer = Response(body, status)
        for name, value in headers:
            self.answer.headers.append(name, value)
        self.answer.headers[REPLAYED] = "true"


class Once(Protocol):
    """What executes an attempt, or finds that it was executed before."""

    async def run(
        self, attempt: "Attempt", session: AsyncSession, execute: Callable[[], Awaitable[Response]]
    ) -> Response:
        """Execute `attempt` unless it was before."""


class Attempt:
    """A request whose key was not answered yet, when it came in.

    Attributes:
        scope: digest of caller, method, path and key: what may be executed once.
        fingerprint: digest of query and body; JSON that only differs in spelling has the same.
    """

    def __init__(self, keys: Once, scope: str, fingerprint: str) -> None:
        self._keys = keys
        self.scope = scope
        self.fingerprint = fingerprint

    async def once(
        self, session: AsyncSession, execute: Callable[[], Awaitable[Response]]
    ) -> Response:
        """Execute the request, and keep the answer in the same transaction as its effects.

        A twin that is being executed is waited for. If `execute` raises, nothing is kept, and the
        key is free again. Effects outside of `session` are not covered: have them before, where
        they may happen twice, or after, from an outbox.

        Args:
            session: the unit of work that commits the effects.
            execute: does the work and returns the answer, below 500.

        Raises:
            Replayed: it was executed meanwhile.
            Unprocessable: the key was used for another request meanwhile.
            Conflict: a twin takes longer than the database may wait for a lock.
        """
        return await self._keys.run(self, session, execute)


def key_of(request: Request) -> str:
    """Return the key of `request`, bare or as a quoted string (RFC 9651 §3.3.3).

    Raises:
        BadRequest: there is none, or more than one, or it is not 1 to 255 visible characters.
    """
    lines = request.headers.getlist(HEADER)
    if not lines:
        raise BadRequest(f"{HEADER} is missing", type=TYPES + "key-missing")
    if len(lines) > 1 or not (match := _KEY.fullmatch(lines[0])):
        message = f"{HEADER} must be one key of 1 to 255 visible ASCII characters"
        raise BadRequest(message, type=TYPES + "key-malformed")
    return match[2]


def scope_of(request: Request) -> str:
    """Return the digest of what the key of `request` belongs to.

    Raises:
        BadRequest: the key is missing or malformed.
        LookupError: the route does not authenticate its caller before.
    """
    if (principal := request.scope.get(PRINCIPAL)) is None:
        raise LookupError(f"{request.url.path}: take CurrentUser before Idempotent")
    owner = [principal.issuer, principal.subject]
    parts = [*owner, request.method, request.url.path, key_of(request)]
    return _digest(orjson.dumps(parts))


async def fingerprint_of(request: Request) -> str:
    """Return the digest of what `request` asks for."""
    body = await request.body()
    with suppress(orjson.JSONDecodeError, orjson.JSONEncodeError):
        body = orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)
    return _digest(request.url.query.encode() + b"\0" + body)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
