"""What every service asks of its migrations."""

from pathlib import Path

from sqlalchemy import Connection, inspect

from chassis_core import migrations
from chassis_core.concerns.database import DatabaseSettings
from chassis_core.concerns.database.engine import engine


async def assert_migrations_sound(url: str, directory: Path) -> None:
    """Assert that the migrations go up, down to nothing, and up to the same schema again.

    And that the models need nothing which the migrations do not make. Whether the version before
    each migration survives it, `chassis check` says.

    Args:
        url: of an empty database.
        directory: of the service's migrations.
    """
    settings = DatabaseSettings.model_validate({"url": url})
    await migrations.upgrade(settings, directory)
    await migrations.check(settings, directory)
    first = await schema_of(settings)
    await migrations.downgrade(settings, directory, to="base")
    left = await schema_of(settings)
    assert left.keys() <= {"alembic_version"}, f"downgrade leaves {sorted(left)}"
    await migrations.upgrade(settings, directory)
    assert await schema_of(settings) == first, "up, down and up again gives another schema"


async def schema_of(settings: DatabaseSettings) -> dict[str, object]:
    """Return the tables of a database: columns, keys, constraints and indexes, comparable."""
    made = engine(settings, application="chassis test")
    try:
        async with made.connect() as connection:
            return await connection.run_sync(_tables)
    finally:
        await made.dispose()


def _tables(connection: Connection) -> dict[str, object]:
    inspector = inspect(connection)
    kinds = ["columns", "pk_constraint", "foreign_keys", "unique_constraints", "indexes"]
    kinds += ["check_constraints"]
    return {
        table: {kind: repr(getattr(inspector, f"get_{kind}")(table)) for kind in kinds}
        for table in inspector.get_table_names()
    }
