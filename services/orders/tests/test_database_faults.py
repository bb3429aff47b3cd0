"""Orders while PostgreSQL loses its connections: none is lost, none is made twice."""

import asyncio
from collections import Counter

import pytest
from chassis_core import create_app
from chassis_core.concerns.rate_limit import RateLimitSettings
from chassis_core.testing import running
from orders.api import router
from orders.models import Order
from sqlalchemy import select, text

pytestmark = pytest.mark.alone

KEYS = 30
KILLS = 25
KILL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
def database_url(postgres_url: str) -> str:
    """PostgreSQL alone: SQLite has no connections to lose."""
    return postgres_url


async def kill_connections(database) -> None:
    for _ in range(KILLS):
        async with database.session() as session:
            await session.execute(text(KILL))
        await asyncio.sleep(0.02)


async def placed(customer, key: str, seen: Counter) -> str:
    """Send one order until it is placed, as a client should, and return its id."""
    for _ in range(200):
        answer = await customer.place(key=key)
        seen[answer.status_code] += 1
        if answer.status_code == 201:
            return answer.json()["id"]
        await asyncio.sleep(0.01)
    pytest.fail(f"not placed in 200 attempts: {seen}")


async def test_racing_clients_whose_connections_are_killed_place_each_order_exactly_once(
    settings, users, customer, database
):
    seen: Counter = Counter()
    limits = RateLimitSettings(default=None, routes={"place_order": "10000/second"})
    unlimited = settings.model_copy(update={"rate_limit": limits})
    app = create_app(unlimited, routers=[router], transport=users)
    async with running(app) as http:
        killer = asyncio.create_task(kill_connections(database))
        racing = [placed(customer(f"c{n}", http), "k", seen) for n in range(KEYS) for _ in range(2)]
        ids = await asyncio.gather(*racing)
        await killer
    assert ids[::2] == ids[1::2]
    assert len(set(ids)) == KEYS
    async with database.session(read_only=True) as session:
        rows = [str(order_id) for order_id in await session.scalars(select(Order.id))]
    assert sorted(rows) == sorted(set(ids))
    assert seen.keys() <= {201, 503}, seen
