"""The database: one unit of work a request, on SQLite or PostgreSQL by URL alone."""

from chassis_core.concerns.database.concern import Session, database
from chassis_core.concerns.database.engine import ClientGone, Database
from chassis_core.concerns.database.errors import unique_violation
from chassis_core.concerns.database.schema import SchemaBehind, metadata_naming
from chassis_core.concerns.database.settings import DatabaseSettings

__all__ = [
    "ClientGone",
    "Database",
    "DatabaseSettings",
    "SchemaBehind",
    "Session",
    "database",
    "metadata_naming",
    "unique_violation",
]
