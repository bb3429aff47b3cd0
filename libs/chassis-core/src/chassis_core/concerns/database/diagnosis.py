"""What is wrong with the database, for `chassis doctor`."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from chassis_core.concern import Fault
from chassis_core.concerns.database.engine import Database
from chassis_core.concerns.database.errors import code
from chassis_core.concerns.database.schema import Gate, SchemaBehind
from chassis_core.concerns.database.settings import DatabaseSettings
from chassis_core.reach import silence
from chassis_core.redaction import scrub

URL_SETTING = "<SERVICE>_DATABASE__URL"
_READ_ONLY = text("SHOW transaction_read_only")
MIGRATE = "run `chassis migrate <service>`"
_REFUSED = {
    "28P01": ("refuses the password of {user}", "set <SERVICE>_DATABASE__PASSWORD"),
    "28000": ("does not let {user} in", f"correct the user in {URL_SETTING}, or pg_hba.conf"),
    "3D000": ("has no database {name}", f"create it, or correct {URL_SETTING}"),
    "42501": ("denies {user} what it asks for", "grant the role its rights on the tables"),
    "53300": (
        "has no connection left",
        "end idle ones, lower <SERVICE>_DATABASE__POOL_SIZE, or raise max_connections",
    ),
    "57P03": ("is starting up or shutting down", "wait a moment; then see its log"),
}


class _ReadOnly(Exception):
    """The database takes no writes."""


async def diagnose(
    settings: DatabaseSettings, migrations: Path | None, within: float
) -> Sequence[Fault]:
    """Return what is wrong with the database, after `within` seconds of waiting for it at most."""
    if (fault := _absent(settings, migrations)) is not None:
        return [fault]
    # Nothing is asked twice, and `ping` alone keeps the time.
    patience = {"pool_timeout": 0.0, "connect_timeout": 10 * within, "ready_timeout": within}
    database = Database(settings.model_copy(update=patience), application="chassis doctor")
    gate = Gate(migrations) if migrations else None

    def look(connection: Connection) -> None:
        if connection.dialect.name == "postgresql" and connection.scalar(_READ_ONLY) == "on":
            raise _ReadOnly
        if gate is not None:
            gate.check(connection)

    try:
        await database.ping(look)
    except SchemaBehind as behind:
        return [Fault(f"{behind}: migrations are missing", MIGRATE)]
    except _ReadOnly:
        what = f"{_place(settings.address)} takes no writes: a standby, or read-only by default"
        return [Fault(what, f"point {URL_SETTING} at the primary")]
    except (TimeoutError, DBAPIError) as error:
        return [await _fault(settings.address, error, within)]
    finally:
        await database.close()
    return []


def _absent(settings: DatabaseSettings, migrations: Path | None) -> Fault | None:
    url = settings.address
    if url.get_backend_name() != "sqlite" or "uri" in url.query or migrations is None:
        return None
    if settings.in_memory:
        what = "the database lives in memory and is never migrated: the service cannot be ready"
        return Fault(what, f"set {URL_SETTING}")
    # To open the file would make it.
    if not Path(str(url.database)).exists():
        return Fault(f"the file {url.database} does not exist", MIGRATE)
    return None


async def _fault(url: URL, error: TimeoutError | DBAPIError, within: float) -> Fault:
    if (known := _REFUSED.get(code(error))) is not None:
        what, fix = known
        told = what.format(user=f"user {url.username}", name=url.database)
        return Fault(f"{_place(url)} {told}", fix)
    cause = error.driver_exception if isinstance(error, DBAPIError) else error
    why = scrub(" ".join(str(cause).split()))
    if "startup parameter" in why:
        fix = "set <SERVICE>_DATABASE__SESSION_LIMITS to false, as behind any PgBouncer"
        return Fault(f"{_place(url)}: {why}", fix)
    if url.get_backend_name() == "sqlite":
        return Fault(f"{url.database}: {why}", "see that the service may write the file's folder")
    away = isinstance(error, TimeoutError) or "cannot connect" in why
    if away and url.host and not url.host.startswith("/"):
        why = await silence(url.host, url.port or 5432, within)
    return Fault(f"PostgreSQL: {why}", f"start it or see its log, or correct {URL_SETTING}")


def _place(url: URL) -> str:
    return f"PostgreSQL at {url.host or 'its socket'}:{url.port or 5432}"
