"""The tables of both sides, and the statements that make them safe for any number of replicas."""

from hashlib import blake2b
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Identity,
    Insert,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    Text,
    Uuid,
    delete,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningDelete

from chassis_core.moments import Moment

_INSERT = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
_NUMBER = BigInteger().with_variant(Integer, "sqlite")
MOST_COUNTED = 10_000
"""Events that wait are counted up to here: more is not told apart, and counting stays cheap."""


def outbox_events(metadata: MetaData) -> Table:
    """Add the table of events to a service's `metadata`, so that its migrations create it."""
    return Table(
        "outbox_events",
        metadata,
        Column("sequence", _NUMBER, Identity(), primary_key=True),
        Column("id", Uuid, nullable=False),
        Column("type", String(255), nullable=False),
        Column("subject", String(255), nullable=False),
        Column("time", Moment, nullable=False),
        Column("data", Text, nullable=False),
        Column("traceparent", String(55)),
    )


def inbox_events(metadata: MetaData) -> Table:
    """Add the table of handled events to a consuming service's `metadata`."""
    return Table(
        "inbox_events",
        metadata,
        Column("reader", String(255), primary_key=True),
        Column("event", String(255), primary_key=True),
        Column("handled_at", BigInteger, nullable=False, index=True),
    )


EVENTS = outbox_events(MetaData())
_HANDLED = inbox_events(MetaData())


def waiting() -> Select[int, Any]:
    """Return the query for how many events wait, and since when."""
    first = select(EVENTS.c.time).order_by(EVENTS.c.sequence).limit(MOST_COUNTED).subquery()
    return select(func.count(), func.min(first.c.time)).select_from(first)


def take(limit: int) -> ReturningDelete[Any]:
    """Return the statement that removes the first events, and returns them in any order."""
    first = select(EVENTS.c.sequence).order_by(EVENTS.c.sequence).limit(limit)
    return delete(EVENTS).where(EVENTS.c.sequence.in_(first)).returning(*EVENTS.c)


def note(dialect: str, reader: str, event: str, *, now: int) -> Insert:
    """Return the statement that notes an event as handled, and returns a row only if it is new.

    It waits for a transaction that has noted it and has not ended yet.
    """
    insert: Any = _INSERT[dialect](_HANDLED)
    noted: Insert = (
        insert.values(reader=reader, event=event, handled_at=now)
        .on_conflict_do_nothing()
        .returning(_HANDLED.c.event)
    )
    return noted


def forget(*, before: int, limit: int) -> ReturningDelete[Any]:
    """Return the statement that removes up to `limit` notes of old events."""
    key = (_HANDLED.c.reader, _HANDLED.c.event)
    old = select(*key).where(_HANDLED.c.handled_at < before).limit(limit).subquery()
    same = (key[0] == old.c.reader, key[1] == old.c.event)
    return delete(_HANDLED).where(select(1).where(*same).exists()).returning(_HANDLED.c.event)


async def is_mine(session: AsyncSession, what: str) -> bool:
    """Take `what` for the transaction of `session`, and tell whether no other replica has it.

    SQLite has one process.
    """
    if session.get_bind().dialect.name == "sqlite":
        return True
    digest = blake2b(f"chassis outbox: {what}".encode(), digest_size=8).digest()
    key = int.from_bytes(digest, signed=True)
    return bool(await session.scalar(select(func.pg_try_advisory_xact_lock(key))))
