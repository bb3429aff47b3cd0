"""Looks keys up, executes what is new, and forgets what is old."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from prometheus_client import CollectorRegistry, Counter
from pydantic import Field
from sqlalchemy import Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from chassis_core.concern import Concern, ConcernSettings
from chassis_core.concerns.idempotency import table
from chassis_core.concerns.idempotency.attempt import (
    HEADER,
    TYPES,
    Attempt,
    Replayed,
    fingerprint_of,
    scope_of,
)
from chassis_core.problem import Conflict, Unprocessable
from chassis_core.sqlstate import NO_LOCK_IN_TIME, sqlstate

Execute = Callable[[], Awaitable[Response]]


class IdempotencySettings(ConcernSettings):
    """How long a key is remembered."""

    expires_after: int = Field(86_400, ge=1)
    """Seconds for which a key gives the stored answer: a day, longer than clients retry."""
    purge_interval: float = Field(60.0, ge=0)
    """Seconds, at least, between two removals of expired keys by one process, so that most
    executions do not pay for one."""
    purge_batch: int = Field(500, ge=1)
    """Keys removed at once, along with an execution: some milliseconds of work."""


class Idempotency:
    """The keys of an app, kept by the database in which the effects are.

    Args:
        settings: of the keys.
        registry: where the metrics go.
    """

    def __init__(
        self, settings: IdempotencySettings, *, registry: CollectorRegistry | None = None
    ) -> None:
        self._settings = settings
        self._purge_at = 0.0
        self._outcomes = Counter(
            "idempotency_requests_total",
            "Requests with a key: executed, replayed, used for another request, or held by a twin.",
            ["outcome"],
            registry=registry,
        )
        self._purged = Counter(
            "idempotency_purged_total", "Keys removed because they had expired.", registry=registry
        )

    async def attempt(self, request: Request) -> Attempt:
        """Return the attempt that `request` is.

        Raises:
            Replayed: it was executed before.
            Unprocessable: its key was used for another request.
            BadRequest: its key is missing or malformed.
        """
        attempt = Attempt(self, scope_of(request), await fingerprint_of(request))
        async with request.state.database.session(read_only=True) as session:
            row = await self._find(attempt, session)
        if row is not None:
            self._replay(attempt, row)
        return attempt

    async def run(self, attempt: Attempt, session: AsyncSession, execute: Execute) -> Response:
        """Execute `attempt` in the transaction of `session`, as `Attempt.once` says."""
        while not await self._claim(attempt, session):
            if (row := await self._find(attempt, session)) is not None:
                self._replay(attempt, row)
        answer = await execute()
        await self._record(attempt, session, answer)
        await self._purge(session)
        self._outcomes.labels("executed").inc()
        return answer

    async def _claim(self, attempt: Attempt, session: AsyncSession) -> bool:
        now = int(time.time())
        statement = table.claim(
            session.get_bind().dialect.name,
            attempt.scope,
            attempt.fingerprint,
            now=now,
            expires_at=now + self._settings.expires_after,
        )
        try:
            return (await session.execute(statement)).first() is not None
        except DBAPIError as error:
            if sqlstate(error) != NO_LOCK_IN_TIME:
                raise
            self._outcomes.labels("held").inc()
            raise Conflict(
                f"a request with this {HEADER} is being executed",
                type=TYPES + "request-outstanding",
                headers={"Retry-After": "1"},
            ) from None

    async def _find(self, attempt: Attempt, session: AsyncSession) -> Row[Any] | None:
        query = table.find(attempt.scope, now=int(time.time()))
        row: Row[Any] | None = (await session.execute(query)).one_or_none()
        return row

    def _replay(self, attempt: Attempt, row: Row[Any]) -> None:
        if row.fingerprint != attempt.fingerprint:
            self._outcomes.labels("mismatch").inc()
            raise Unprocessable(
                f"this {HEADER} was used for another request", type=TYPES + "key-reused"
            )
        self._outcomes.labels("replayed").inc()
        raise Replayed(row.status, row.headers, row.body)

    async def _record(self, attempt: Attempt, session: AsyncSession, answer: Response) -> None:
        if answer.status_code >= 500:
            raise ValueError("raise a Problem instead: an answer of 5xx must not be kept")
        headers = [[k, v] for k, v in answer.headers.items() if k != "content-length"]
        body = bytes(answer.body)
        await session.execute(
            table.record(attempt.scope, status=answer.status_code, headers=headers, body=body)
        )

    async def _purge(self, session: AsyncSession) -> None:
        if time.monotonic() < self._purge_at:
            return
        self._purge_at = time.monotonic() + self._settings.purge_interval
        statement = table.purge(now=int(time.time()), limit=self._settings.purge_batch)
        self._purged.inc(len((await session.execute(statement)).all()))


async def attempt(request: Request) -> Attempt:
    """Return the attempt that `request` is, unless it was executed before."""
    keys: Idempotency = request.state.idempotency
    return await keys.attempt(request)


Idempotent = Annotated[Attempt, Depends(attempt)]
"""The attempt of a route that needs an `Idempotency-Key`; take `CurrentUser` before it."""


async def _answer(_: Request, replayed: Replayed) -> Response:
    return replayed.answer


def idempotency(
    settings: IdempotencySettings, *, registry: CollectorRegistry | None = None
) -> Concern:
    """Return the concern that gives routes their attempts; it needs the database concern."""
    keys = Idempotency(settings, registry=registry)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[Mapping[str, Any]]:
        yield {"idempotency": keys}

    return Concern(name="idempotency", error_handlers={Replayed: _answer}, lifespan=lifespan)
