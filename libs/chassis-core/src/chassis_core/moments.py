"""Points in time that are the same on every database, always in UTC."""

from datetime import UTC, datetime

from sqlalchemy import DateTime, Dialect
from sqlalchemy.types import TypeDecorator


class Moment(TypeDecorator[datetime]):
    """The column type of a point in time; SQLite alone would forget that it is in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC.

        Raises:
            ValueError: the value has no time zone, so it is not a point in time.
        """
        del dialect
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the time zone back."""
        del dialect
        return value if value is None else value.replace(tzinfo=value.tzinfo or UTC)


def now() -> datetime:
    """Return the present moment, in UTC."""
    return datetime.now(UTC)
