"""What a service's `migrations/env.py` calls."""

from alembic import context
from sqlalchemy import Connection, MetaData


def run(metadata: MetaData) -> None:
    """Run the migrations that were asked for; the whole of an `env.py` besides its imports.

    Raises:
        RuntimeError: called by the `alembic` command, which knows neither settings nor lock.
    """
    connection: Connection | None = context.config.attributes.get("connection")
    if connection is None:
        raise RuntimeError("run migrations with `chassis migrate <service>`, not with `alembic`")
    sqlite = connection.dialect.name == "sqlite"
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        render_as_batch=sqlite,
        # What has been done stays done, and a migration may build an index concurrently.
        transaction_per_migration=not sqlite,
    )
    with context.begin_transaction():
        context.run_migrations()
