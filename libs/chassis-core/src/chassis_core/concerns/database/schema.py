"""The revision that the code expects, the one that the database is at, and names that last."""

from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

metadata_naming = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""For `MetaData(naming_convention=...)`: migrations can only alter constraints that have names,
and both stores must call them the same."""


class SchemaBehind(Exception):
    """The database has not been migrated to what the code expects."""


def config(directory: Path) -> Config:
    """Return Alembic's configuration for the migrations in `directory`."""
    made = Config()
    # Values are interpolated, and a path may hold a percent sign.
    made.set_main_option("script_location", str(directory).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    return made


def script(directory: Path) -> ScriptDirectory:
    """Return the migrations in `directory`."""
    return ScriptDirectory.from_config(config(directory))


def current(connection: Connection) -> str | None:
    """Return the revision that the database is at, or None if it was never migrated."""
    return MigrationContext.configure(connection).get_current_revision()


def is_ahead(migrations: ScriptDirectory, revision: str | None) -> bool:
    """Say whether a database at `revision` was migrated by newer code than this."""
    known = {known.revision for known in migrations.walk_revisions()}
    return revision is not None and revision not in known


class Gate:
    """Compares the database with the migrations of the code, until they once agree."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._passed = False

    def check(self, connection: Connection) -> None:
        """Refuse a database that is behind; one that is ahead serves the next version too.

        Raises:
            SchemaBehind: naming both revisions.
        """
        if self._passed:
            return
        migrations = script(self._directory)
        head = migrations.get_current_head()
        at = current(connection)
        if at != head and not is_ahead(migrations, at):
            raise SchemaBehind(f"the database is at revision {at}, the code needs {head}")
        self._passed = True
