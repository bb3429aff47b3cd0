"""Orders through PgBouncer in transaction mode: every transaction may be on another connection."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from chassis_core.concerns.database import Database
from chassis_core.testing.servers import Missing, PgBouncer
from orders.settings import Settings
from pydantic import SecretStr
from sqlalchemy import text


@pytest.fixture
def database_url(postgres_url: str) -> str:
    """PostgreSQL alone; migrations go to it directly."""
    return postgres_url


@pytest.fixture
async def settings(settings: Settings, database_url: str) -> AsyncIterator[Settings]:
    """The settings, by way of a pooler with fewer connections than the app's own pool."""
    try:
        pooler = PgBouncer(database_url, pool_size=3)
    except Missing as missing:
        pytest.skip(str(missing))
    with pooler:
        through = {
            "url": SecretStr(pooler.url),
            "prepared_statements": False,
            "session_limits": False,
        }
        database = settings.database.model_copy(update=through)
        yield settings.model_copy(update={"database": database})


async def test_an_order_is_placed_found_listed_and_cancelled(ann):
    placed = await ann.place(key="k1")
    assert placed.status_code == 201, placed.text
    assert (await ann.place(key="k1")).headers["idempotency-replayed"] == "true"
    assert (await ann.get(placed.headers["location"])).json() == placed.json()
    assert (await ann.orders("?limit=1"))["items"] == [placed.json()]
    order_id, tag = placed.json()["id"], placed.headers["etag"]
    answers = await asyncio.gather(*(ann.cancel(order_id, tag) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7


async def test_more_requests_than_connections_share_them_and_race_as_ever(customer):
    customers = [customer(f"c{n}") for n in range(15)]
    answers = await asyncio.gather(*(c.place(key="k") for c in customers for _ in range(2)))
    assert {answer.status_code for answer in answers} == {201}
    ids = [answer.json()["id"] for answer in answers]
    assert ids[::2] == ids[1::2]
    assert len(set(ids)) == len(customers)


async def test_no_statement_stays_behind_in_the_server_and_the_roles_limits_hold(
    ann, database: Database
):
    for _ in range(5):
        assert (await ann.place()).status_code == 201
    async with database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM pg_prepared_statements")) == 0
        assert await session.scalar(text("SHOW statement_timeout")) == "2s"
