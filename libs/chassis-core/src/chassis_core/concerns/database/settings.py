"""Settings of the database, and the one place that reads its URL."""

from typing import Self

from pydantic import Field, SecretStr, model_validator
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from chassis_core.concern import ConcernSettings

_DRIVERS = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
}


class DatabaseSettings(ConcernSettings):
    """Where the database is, and how long anything may wait for it."""

    url: SecretStr = SecretStr("sqlite:///:memory:")
    """`postgresql://user:password@host/name` or `sqlite:///file`; the driver is added. The default
    lives in memory and is never migrated, so that a service that needs a database cannot become
    ready without being told of one."""
    password: SecretStr | None = None
    """Taken as it stands instead of the URL's password, so that a secret needs no escaping."""
    pool_size: int = Field(10, ge=1)
    """Connections kept open by one process, besides one for its readiness probe. With the overflow,
    six processes fit into the 100 connections that PostgreSQL takes by default."""
    max_overflow: int = Field(5, ge=0)
    """Connections opened beyond that in a peak, and closed after it."""
    pool_timeout: float = Field(0.5, gt=0)
    """Seconds a request waits for a connection before it is answered 503: short, so that an
    exhausted pool sheds load and is never mistaken for the deadline's 504. For as long a server
    that refuses connections is asked again, so that a restart costs few answers."""
    pool_recycle: float = Field(1800.0, gt=0)
    """Seconds after which a connection is replaced, so that load balancers and changed
    credentials are followed."""
    pool_pre_ping: bool = False
    """Ask the server before each use of a connection. A closed connection is noticed without it,
    at no cost; turn it on where a firewall drops idle connections in silence."""
    connect_timeout: float = Field(2.0, gt=0)
    """Seconds to open a connection, including log-in: well below the deadline of a request."""
    statement_timeout: float = Field(2.0, ge=0)
    """Seconds one statement may run before it is cancelled and answered 503: well before the
    deadline, so that a slow query holds its connection no longer. 0 means no limit."""
    lock_timeout: float = Field(1.0, ge=0)
    """Seconds a statement may wait for a lock (on SQLite, for the one writer's turn). Shorter than
    the statement's limit, so that the log tells a lock from a slow query."""
    idle_in_transaction_timeout: float = Field(30.0, ge=0)
    """Seconds the server lets a transaction sit idle before it ends the connection: longer than
    any request, it only catches what this process has lost."""
    prepared_statements: bool = True
    """False behind a pooler in transaction mode that does not track them (PgBouncer < 1.21)."""
    session_limits: bool = True
    """Whether each session tells the server these three limits. False behind a pooler
    in transaction mode: PgBouncer refuses session parameters. Give them to the role instead
    (`ALTER ROLE … SET statement_timeout = '2s'`)."""
    ready_timeout: float = Field(0.75, gt=0)
    """Seconds the readiness probe waits for an answer. With the second for which a report is
    given again, a database that hangs is reported within two."""

    @property
    def address(self) -> URL:
        """The URL with the driver that is used, and the password if it is set apart."""
        url = make_url(self.url.get_secret_value())
        url = url.set(drivername=_DRIVERS[url.get_backend_name()])
        if self.password is not None:
            url = url.set(password=self.password.get_secret_value())
        if "sslmode" in url.query:
            mode = url.query["sslmode"]
            url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
        return url

    @property
    def in_memory(self) -> bool:
        """Whether the database lives and dies with its one connection."""
        url = self.address
        return url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}

    @model_validator(mode="after")
    def _url_is_known(self) -> Self:
        try:
            _ = self.address
        except (ArgumentError, KeyError, ValueError):
            known = "postgresql://user:password@host:port/name or sqlite:///path"
            raise ValueError(f"url must look like {known}, reserved characters as %xx") from None
        return self
