import asyncio
import sys
import traceback
from importlib import import_module
from pathlib import Path

import pytest
from alembic.util.exc import CommandError
from chassis_core import compose, migrations
from chassis_core.concerns.database import Database, DatabaseSettings, SchemaBehind, database
from chassis_core.testing.migrations import assert_migrations_sound, schema_of
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

ENV = """
from chassis_core import migrations
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table
from chassis_core.concerns.database import metadata_naming

metadata = MetaData(naming_convention=metadata_naming)
Table("authors", metadata, Column("id", Integer, primary_key=True), Column("name", String(20)))
Table(
    "books",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("author", ForeignKey("authors.id", ondelete="CASCADE"), nullable=False),
)
migrations.run(metadata)
"""
FIRST = """
revision, down_revision = "0001", None
import sqlalchemy as sa
from alembic import op

def upgrade():
    op.create_table(
        "authors",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(10)),
        sa.PrimaryKeyConstraint("id", name="pk_authors"),
    )
    op.create_table(
        "books",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("author", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(
            ["author"], ["authors.id"], name="fk_books_author_authors", ondelete="CASCADE"
        ),
    )

def downgrade():
    op.drop_table("books")
    op.drop_table("authors")
"""
SECOND = """
revision, down_revision = "0002", "0001"
import sqlalchemy as sa
from alembic import op

def upgrade():
    with op.batch_alter_table("authors") as authors:
        authors.alter_column("name", type_=sa.String(20), existing_type=sa.String(10))

def downgrade():
    with op.batch_alter_table("authors") as authors:
        authors.alter_column("name", type_=sa.String(10), existing_type=sa.String(20))
"""
RUN = """
import asyncio, os, sys
from pathlib import Path
from chassis_core import migrations
from chassis_core.concerns.database import DatabaseSettings

settings = DatabaseSettings(url=os.environ["URL"])
moved = asyncio.run(migrations.upgrade(settings, Path(os.environ["DIRECTORY"])))
print(moved.before, moved.after)
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations 100%"
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(ENV)
    (folder / "versions" / "0001.py").write_text(FIRST)
    (folder / "versions" / "0002.py").write_text(SECOND)
    return folder


@pytest.fixture
def settings(database_url: str) -> DatabaseSettings:
    return DatabaseSettings(url=database_url)


async def test_sound_migrations_pass(database_url: str, directory: Path) -> None:
    await assert_migrations_sound(database_url, directory)


async def test_upgrade_tells_the_revisions_before_and_after(
    settings: DatabaseSettings, directory: Path
) -> None:
    assert await migrations.upgrade(settings, directory) == (None, "0002")
    assert await migrations.upgrade(settings, directory) == ("0002", "0002")
    assert await migrations.current(settings) == migrations.head(directory) == "0002"


async def test_a_model_without_its_migration_is_drift(
    settings: DatabaseSettings, directory: Path
) -> None:
    (directory / "versions" / "0002.py").unlink()
    await migrations.upgrade(settings, directory)
    with pytest.raises(migrations.Drift, match="name"):
        await migrations.check(settings, directory)


async def test_altering_a_table_keeps_the_rows_that_refer_to_it(
    settings: DatabaseSettings, directory: Path
) -> None:
    await migrations.upgrade(settings, directory, to="0001")
    database = Database(settings)
    async with database.session() as session:
        await session.execute(text("INSERT INTO authors (id, name) VALUES (1, 'Ann')"))
        await session.execute(text("INSERT INTO books (id, author) VALUES (1, 1)"))
    await migrations.upgrade(settings, directory)
    async with database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM books")) == 1
    await database.close()


async def test_a_migration_that_fails_leaves_the_last_good_revision(
    settings: DatabaseSettings, directory: Path
) -> None:
    await migrations.upgrade(settings, directory, to="0001")
    before = await schema_of(settings)
    broken = SECOND.replace("def downgrade", "    raise RuntimeError('half')\n\ndef downgrade")
    (directory / "versions" / "0002.py").write_text(broken)
    with pytest.raises(RuntimeError, match="half"):
        await migrations.upgrade(settings, directory)
    assert await schema_of(settings) == before
    assert await migrations.current(settings) == "0001"


async def test_of_five_that_start_at_once_one_migrates_and_all_succeed(
    settings: DatabaseSettings, directory: Path
) -> None:
    env = {"URL": settings.url.get_secret_value(), "DIRECTORY": str(directory)}
    pipe = asyncio.subprocess.PIPE
    runs = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", RUN, env=env, stdout=pipe, stderr=pipe
        )
        for _ in range(5)
    ]
    told = [await run.communicate() for run in runs]
    assert [run.returncode for run in runs] == [0] * 5, told
    assert sorted(out.strip() for out, _ in told) == [b"0002 0002"] * 4 + [b"None 0002"]


async def test_who_waits_too_long_for_another_says_so(
    settings: DatabaseSettings, directory: Path
) -> None:
    slow = FIRST.replace("def upgrade():", "def upgrade():\n    import time; time.sleep(1)")
    (directory / "versions" / "0001.py").write_text(slow)
    async with migrations.lock.exclusive(settings, timeout=5):
        with pytest.raises(migrations.LockedOut, match=r"more than 0\.2 s"):
            await migrations.upgrade(settings, directory, lock_timeout=0.2)


async def test_an_index_may_be_built_concurrently_while_others_wait(
    postgres_url: str, directory: Path
) -> None:
    (directory / "versions" / "0003.py").write_text("""
revision, down_revision = "0003", "0002"
from alembic import op

def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("ix_authors_name", "authors", ["name"], postgresql_concurrently=True)
""")
    settings = DatabaseSettings(url=postgres_url)
    await migrations.upgrade(settings, directory, to="0002")
    reader = Database(settings)
    async with reader.session() as session:
        # The index waits for whoever reads the table, longer than a migration waits for a lock.
        await session.execute(text("SELECT * FROM authors"))
        both = asyncio.gather(*(migrations.upgrade(settings, directory) for _ in range(2)))
        await asyncio.wait({both}, timeout=3 * migrations.lock.DDL_LOCK_TIMEOUT)
        assert not both.done()
    assert sorted(before or "" for before, _ in await both) == ["0002", "0003"]
    await reader.close()


async def test_a_service_is_not_ready_while_its_database_is_behind(
    settings: DatabaseSettings, directory: Path
) -> None:
    app = compose([database(settings, migrations=directory)])
    ready = app.concerns[0].ready
    assert ready is not None
    async with app.router.lifespan_context(app):
        with pytest.raises(SchemaBehind, match="at revision None, the code needs 0002"):
            await ready()
        await migrations.upgrade(settings, directory, to="0001")
        with pytest.raises(SchemaBehind, match="at revision 0001, the code needs 0002"):
            await ready()
        await migrations.upgrade(settings, directory)
        await ready()


async def test_a_service_is_ready_on_a_database_that_is_ahead(
    settings: DatabaseSettings, directory: Path
) -> None:
    await migrations.upgrade(settings, directory)
    (directory / "versions" / "0002.py").unlink()
    app = compose([database(settings, migrations=directory)])
    async with app.router.lifespan_context(app):
        assert app.concerns[0].ready is not None
        await app.concerns[0].ready()


async def test_older_code_leaves_a_database_that_is_ahead_where_it_is(
    settings: DatabaseSettings, directory: Path
) -> None:
    await migrations.upgrade(settings, directory)
    (directory / "versions" / "0002.py").unlink()
    before = await schema_of(settings)
    assert await migrations.upgrade(settings, directory) == ("0002", "0002")
    assert await schema_of(settings) == before
    with pytest.raises(CommandError, match="0002"):
        await migrations.upgrade(settings, directory, to="0001")


async def test_a_password_of_reserved_characters_migrates(
    postgres_url: str, directory: Path
) -> None:
    assert "%25" in postgres_url
    assert (await migrations.upgrade(DatabaseSettings(url=postgres_url), directory)).after == "0002"


async def test_a_password_apart_is_taken_as_it_stands(postgres_url: str) -> None:
    url = make_url(postgres_url)
    password = url.password
    bare = url.set(password="wrong").render_as_string(hide_password=False)
    assert await migrations.current(DatabaseSettings(url=bare, password=password)) is None


async def test_a_wrong_password_is_not_shown(postgres_url: str, directory: Path) -> None:
    url = make_url(postgres_url).set(password="s3cr3t-guess")
    settings = DatabaseSettings(url=url.render_as_string(hide_password=False))
    with pytest.raises(DBAPIError) as failure:
        await migrations.upgrade(settings, directory)
    assert "s3cr3t" not in "".join(traceback.format_exception(failure.value)) + repr(settings)


def test_migrations_stand_beside_the_settings_or_beside_src(tmp_path: Path, monkeypatch) -> None:
    package = tmp_path / "src" / "inn_of_tests"
    package.mkdir(parents=True)
    (package / "settings.py").write_text("class Settings: ...")
    monkeypatch.syspath_prepend(package.parent)
    settings = import_module("inn_of_tests.settings").Settings
    assert migrations.migrations_of(settings) is None
    for folder in (tmp_path / "migrations", package / "migrations"):
        folder.mkdir()
        (folder / "env.py").touch()
        assert migrations.migrations_of(settings) == folder
