"""What a retry finds when nobody could say whether the first attempt was committed."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from chassis_core import create_app
from chassis_core.concerns.database import Database
from chassis_core.testing import running
from orders.api import router
from orders.models import Order
from sqlalchemy import Connection, event, func, select

pytestmark = pytest.mark.alone

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


async def count(database: Database) -> int:
    async with database.session(read_only=True) as session:
        return await session.scalar(select(func.count()).select_from(Order))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("committed", [True, False])
async def test_a_connection_lost_during_the_commit_is_503_and_the_retry_makes_it_one_order(
    customer, settings, users, database, committed
):
    written = []

    def write(_connection, _cursor, statement, *_):
        written.extend(["order"] if statement.startswith("INSERT INTO orders") else [])

    def lose(connection: Connection) -> None:
        if written == ["order"]:
            written.append("lost")
            if committed:
                connection.exec_driver_sql("COMMIT")
            connection.connection.driver_connection.terminate()

    fragile = Database(settings.database)
    event.listen(fragile.engine.sync_engine, "before_cursor_execute", write)
    event.listen(fragile.engine.sync_engine, "commit", lose)
    app = create_app(settings, routers=[router], transport=users, database=fragile)
    async with running(app) as http:
        ann = customer("ann", http)
        lost = await ann.place(key="k1")
        assert (lost.status_code, lost.headers["retry-after"]) == (503, "1")
        assert await count(database) == committed
        again = await ann.place(key="k1")
    assert again.status_code == 201
    assert ("idempotency-replayed" in again.headers) == committed
    assert await count(database) == 1


async def test_a_key_gives_its_answer_for_a_day_and_is_free_after_it(customer, database):
    start = datetime.now(UTC)
    first = await customer("ann").place(key="k1")
    with time_machine.travel(start + DAY - MINUTE):
        within = await customer("ann").place(key="k1")
    with time_machine.travel(start + DAY + MINUTE):
        after = await customer("ann").place(key="k1")
    assert (within.status_code, within.content) == (201, first.content)
    assert within.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in after.headers
    assert after.json()["id"] != first.json()["id"]
    assert await count(database) == 2
