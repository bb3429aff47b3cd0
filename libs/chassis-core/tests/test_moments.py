"""Points in time, stored and read back."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from chassis_core.concerns.database import Database, DatabaseSettings
from chassis_core.moments import Moment, now
from sqlalchemy import Column, MetaData, Table, insert, select

TABLES = MetaData()
EVENTS = Table("events", TABLES, Column("at", Moment), Column("ended", Moment))


async def test_a_moment_comes_back_as_the_same_moment_in_utc(database_url: str):
    moment = datetime(2026, 7, 1, 12, 30, 15, 123456, tzinfo=UTC)
    database = Database(DatabaseSettings(url=database_url))
    async with database.engine.begin() as connection:
        await connection.run_sync(TABLES.create_all)
        await connection.execute(insert(EVENTS).values(at=moment))
        row = (await connection.execute(select(EVENTS))).one()
    await database.close()
    assert (row.at, row.ended) == (moment, None)
    assert row.at.utcoffset() == timedelta(0)


async def test_a_moment_of_another_time_zone_is_stored_as_the_same_moment(database_url: str):
    east = datetime(2026, 7, 1, 12, 30, tzinfo=timezone(timedelta(hours=5)))
    database = Database(DatabaseSettings(url=database_url))
    async with database.engine.begin() as connection:
        await connection.run_sync(TABLES.create_all)
        await connection.execute(insert(EVENTS).values(at=east))
        row = (await connection.execute(select(EVENTS))).one()
    await database.close()
    assert row.at == east


async def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        Moment().process_bind_param(datetime(2026, 7, 1), None)  # noqa: DTZ001 - the mistake itself


def test_now_is_in_utc():
    assert now().tzinfo is UTC
