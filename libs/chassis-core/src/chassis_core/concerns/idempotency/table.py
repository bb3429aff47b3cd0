"""The table of keys, and the statements that make it safe for any number of writers."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Insert,
    LargeBinary,
    MetaData,
    Select,
    SmallInteger,
    String,
    Table,
    Update,
    delete,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningDelete

NAME = "idempotency_keys"
_INSERT = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


def idempotency_keys(metadata: MetaData) -> Table:
    """Add the table of keys to a service's `metadata`, so that its migrations create it."""
    return Table(
        NAME,
        metadata,
        Column("scope", String(64), primary_key=True),
        Column("fingerprint", String(64), nullable=False),
        Column("expires_at", BigInteger, nullable=False, index=True),
        Column("status", SmallInteger),
        Column("headers", JSON),
        Column("body", LargeBinary),
    )


_KEYS = idempotency_keys(MetaData())


def find(scope: str, *, now: int) -> Select[Any]:
    """Return the query for the record of a key that has not expired."""
    columns = (_KEYS.c.fingerprint, _KEYS.c.status, _KEYS.c.headers, _KEYS.c.body)
    return select(*columns).where(_KEYS.c.scope == scope, _KEYS.c.expires_at > now)


def claim(dialect: str, scope: str, fingerprint: str, *, now: int, expires_at: int) -> Insert:
    """Return the statement that takes a key, and returns a row only if it was free.

    It waits for a transaction that holds the key and has not ended yet.
    """
    insert: Any = _INSERT[dialect](_KEYS)
    claimed = {"fingerprint": fingerprint, "expires_at": expires_at}
    statement: Insert = (
        insert.values(scope=scope, **claimed)
        .on_conflict_do_update(
            index_elements=[_KEYS.c.scope], set_=claimed, where=_KEYS.c.expires_at <= now
        )
        .returning(_KEYS.c.scope)
    )
    return statement


def record(scope: str, *, status: int, headers: list[list[str]], body: bytes) -> Update:
    """Return the statement that keeps the answer to a claimed key."""
    return (
        update(_KEYS)
        .where(_KEYS.c.scope == scope)
        .values(status=status, headers=headers, body=body)
    )


def purge(*, now: int, limit: int) -> ReturningDelete[Any]:
    """Return the statement that removes up to `limit` expired keys that no one else holds."""
    expired = (
        select(_KEYS.c.scope)
        .where(_KEYS.c.expires_at <= now)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return delete(_KEYS).where(_KEYS.c.scope.in_(expired)).returning(_KEYS.c.scope)
