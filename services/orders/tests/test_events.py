"""What other services learn of orders: on the stream, in the trace of the request, once."""

import asyncio

import orjson
import pytest
import redis
from chassis_core import create_app
from chassis_core.concerns.redis import RedisSettings
from chassis_core.testing import eventually, running
from orders.api import router
from orders.models import Order
from pydantic import SecretStr
from sqlalchemy import func, select, text

STREAM = "orders:events"


@pytest.fixture
def settings(settings, redis_url):
    """The service beside a Redis; a request loses no more to a machine that is busy."""
    return settings.model_copy(update={"redis": RedisSettings(url=SecretStr(redis_url), timeout=2)})


@pytest.fixture
def told(redis_url):
    """Return the events on the stream, those of one type or all."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:

        def read(kind=None):
            entries = [fields for _, fields in client.xrange(STREAM)]
            return [fields for fields in entries if kind in {None, fields["type"]}]

        yield read


async def test_placing_an_order_is_told_with_the_trace_of_the_request(ann, told, telemetry):
    order = (await ann.place()).json()
    await eventually(told)
    (placed,) = told()
    assert placed["source"] == "/orders"
    assert (placed["type"], placed["subject"]) == ("order.placed", order["id"])
    assert orjson.loads(placed["data"]) == {
        "customer_id": "ann",
        "currency": "EUR",
        "total_minor": order["total_minor"],
        "version": 1,
        "items": order["items"],
        "placed_at": orjson.loads(placed["data"])["placed_at"],
    }
    (request,) = telemetry.access_lines()
    assert placed["traceparent"].split("-")[1] == request["trace_id"]


async def test_cancelling_is_told_after_placing(ann, told):
    placed = await ann.place()
    await ann.cancel(placed.json()["id"], placed.headers["etag"])
    await eventually(lambda: told("order.cancelled"))
    assert [fields["type"] for fields in told()] == ["order.placed", "order.cancelled"]
    assert len({fields["subject"] for fields in told()}) == 1
    assert orjson.loads(told("order.cancelled")[0]["data"])["version"] == 2


async def test_no_event_names_the_customer(ann, told):
    placed = await ann.place()
    await ann.cancel(placed.json()["id"], placed.headers["etag"])
    await eventually(lambda: told("order.cancelled"))
    assert "Ann" not in str(told())


async def test_an_order_that_is_sent_often_is_told_of_once(ann, told):
    answers = await asyncio.gather(*(ann.place(key="k1") for _ in range(5)))
    assert 201 in {answer.status_code for answer in answers}
    await ann.place(key="k2")
    await eventually(lambda: len(told()) == 2)
    assert len({fields["subject"] for fields in told()}) == 2


async def test_what_is_refused_is_told_to_nobody(ann, told):
    placed = await ann.place()
    assert (await ann.cancel(placed.json()["id"], '"7"')).status_code == 412
    assert (await ann.place({"items": [], "currency": "EUR"})).status_code == 422
    await ann.cancel(placed.json()["id"], '"1"')
    await eventually(lambda: told("order.cancelled"))
    assert len(told()) == 2


async def test_an_order_whose_event_cannot_be_stored_is_no_order(ann, database):
    async with database.session() as session:
        await session.execute(text("DROP TABLE outbox_events"))
    assert (await ann.place(key="k1")).status_code >= 500
    async with database.session(read_only=True) as session:
        assert await session.scalar(select(func.count()).select_from(Order)) == 0
        assert await session.scalar(text("SELECT count(*) FROM idempotency_keys")) == 0


async def test_telling_costs_one_statement(ann, app, telemetry, told):
    await ann.place()
    await eventually(told)
    summaries = [span.attributes.get("db.query.summary") for span in telemetry.spans]
    assert summaries.count("INSERT outbox_events") == 1
    assert not [each for each in summaries if each and each.endswith("outbox_events")][1:]


async def test_without_redis_an_order_is_placed_and_no_event_is_left_behind(
    customer, settings, users, database, telemetry
):
    alone = settings.model_copy(update={"redis": RedisSettings()})
    async with running(create_app(alone, routers=[router], transport=users)) as http:
        assert (await customer("ann", http).place()).status_code == 201
    async with database.session(read_only=True) as session:
        assert await session.scalar(text("SELECT count(*) FROM outbox_events")) == 0
