"""Pages and versions while others change what they show."""

import asyncio
import random
from collections import Counter

import pytest
from chassis_core import create_app
from chassis_core.concerns.database import Database
from chassis_core.testing import running
from orders.api import router
from orders.models import Item, Order

WALKS = 6


async def insert(database: Database, customer_id: str, count: int = 1) -> list[str]:
    """Write orders past the API, which would limit their rate, and return their ids."""
    orders = [
        Order.of(
            [Item(sku="tea", quantity=1, unit_price_minor=n)],
            currency="EUR",
            customer_id=customer_id,
            customer_name="Ann",
        )
        for n in range(count)
    ]
    async with database.session() as session:
        for order in orders:
            session.add(order)
            await session.flush()
    return [str(order.id) for order in orders]


@pytest.mark.parametrize("seed", range(3))
async def test_a_walk_shows_what_was_there_exactly_once_whatever_is_inserted_or_changed(
    ann, database, seed
):
    chance = random.Random(seed)
    there = await insert(database, "ann", chance.randint(5, 40))
    await insert(database, "bob", 5)
    for _ in range(WALKS):
        seen, cursor, added = [], "", []
        while cursor is not None:
            after = f"&cursor={cursor}" if cursor else ""
            page = await ann.orders(f"?limit={chance.randint(1, 12)}{after}")
            seen += [order["id"] for order in page["items"]]
            cursor = page["next_cursor"]
            added += await insert(database, "ann", chance.randint(0, 3))
            await insert(database, "bob", chance.randint(0, 1))
            victim = chance.choice(there)
            read = await ann.get(f"/v1/orders/{victim}")
            await ann.cancel(victim, read.headers["etag"])
        assert seen == sorted(there, reverse=True)
        there += added


async def test_of_cancellations_that_race_on_two_instances_one_succeeds_and_no_other(
    customer, settings, users, database
):
    other = create_app(settings, routers=[router], transport=users)
    async with running(other) as elsewhere:
        instances = [customer("ann"), customer("ann", elsewhere)]
        for order_id in await insert(database, "ann", 5):
            tag = (await instances[0].get(f"/v1/orders/{order_id}")).headers["etag"]
            racing = [instances[n % 2].cancel(order_id, tag) for n in range(12)]
            statuses = Counter(answer.status_code for answer in await asyncio.gather(*racing))
            assert statuses[200] == 1
            assert set(statuses) <= {200, 409, 412}
            order = (await instances[1].get(f"/v1/orders/{order_id}")).json()
            assert order["status"] == "cancelled"
