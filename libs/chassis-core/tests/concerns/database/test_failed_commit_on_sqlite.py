"""What a failed commit leaves behind."""

from pathlib import Path

import pytest
from chassis_core.concerns.database import Database, DatabaseSettings
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

TABLES = (
    "CREATE TABLE parents (id INTEGER PRIMARY KEY)",
    "CREATE TABLE children (id INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED)",
)


async def test_a_connection_whose_commit_failed_serves_the_next_unit_of_work(tmp_path: Path):
    one = {"pool_size": 1, "max_overflow": 0}
    database = Database(DatabaseSettings(url=f"sqlite:///{tmp_path / 'test.db'}", **one))
    async with database.session() as session:
        for statement in TABLES:
            await session.execute(text(statement))
    with pytest.raises(IntegrityError):
        async with database.session() as session:
            await session.execute(text("INSERT INTO children VALUES (99)"))
    async with database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM children")) == 0
    await database.close()
