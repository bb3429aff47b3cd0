"""A rollout: the next version's migration runs while this version serves."""

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from chassis_core.migrations import migrations_of, upgrade
from orders.settings import Settings
from sqlalchemy import text

pytestmark = pytest.mark.alone
PER_SECOND = 50
EXPAND = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "9999", "{head}"

def upgrade():
    op.add_column("orders", sa.Column("note", sa.String(100)))
    op.add_column("order_items", sa.Column("gift", sa.Boolean, server_default=sa.false()))
    with op.get_context().autocommit_block():
        op.create_index("ix_note", "orders", ["note"], postgresql_concurrently=True)
"""


@pytest.fixture
def database_url(postgres_url: str) -> str:
    """PostgreSQL alone: SQLite has one process, which does not serve while it migrates."""
    return postgres_url


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """What users of the service have: a second for a lock."""
    limits = {"lock_timeout": 1.0, "pool_timeout": 5.0}
    database = settings.database.model_copy(update=limits)
    return settings.model_copy(update={"database": database})


@pytest.fixture
def next_version(tmp_path: Path) -> Path:
    """The migrations of orders and one more, which only adds."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrations_of(Settings), folder, ignore=shutil.ignore_patterns("__pycache__"))
    head = max(path.stem[:4] for path in (folder / "versions").glob("*.py"))
    (folder / "versions" / "9999_next.py").write_text(EXPAND.format(head=head))
    return folder


@asynccontextmanager
async def load(customer) -> AsyncIterator[Counter]:
    """Place and list orders at a steady rate inside the block, and count the answers."""
    seen: Counter = Counter()

    async def use(number: int) -> None:
        who = customer(f"c{number % 40}")
        answer = await (who.get("/v1/orders") if number % 3 else who.place(key=f"k{number}"))
        seen[answer.status_code] += 1

    async def use_all() -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(10_000):
                tasks.create_task(use(number))
                await asyncio.sleep(1 / PER_SECOND)

    using = asyncio.create_task(use_all())
    deadline = time.monotonic() + 20
    while len(seen) < 2:
        assert time.monotonic() < deadline, seen
        await asyncio.sleep(0.02)
    yield seen
    using.cancel()
    await asyncio.wait({using})


async def test_two_new_instances_migrate_at_once_while_the_old_version_serves_without_a_failure(
    customer, settings, database, next_version
):
    async with load(customer) as seen, database.session(read_only=True) as slow:
        # A report that reads for longer than any request waits for a lock.
        await slow.execute(text("SELECT count(*) FROM orders"))
        both = asyncio.gather(*(upgrade(settings.database, next_version) for _ in range(2)))
        await asyncio.sleep(2.5)
        assert not both.done()
        await slow.rollback()
        moves = await both
        await asyncio.sleep(0.5)
    print(f"{sum(seen.values())} requests at {PER_SECOND}/s: {dict(seen)}")
    assert {move.after for move in moves} == {"9999"}
    assert sorted(move.before == "9999" for move in moves) == [False, True]
    assert set(seen) == {200, 201}
    async with database.session(read_only=True) as session:
        valid = text("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_note'::regclass")
        assert await session.scalar(valid) is True
