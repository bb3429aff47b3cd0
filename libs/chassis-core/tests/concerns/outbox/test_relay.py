"""The relay: everything, in order, by one replica at a time."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from chassis_core.concerns.database import Database, DatabaseSettings
from chassis_core.concerns.outbox import Outbox, table
from chassis_core.testing import eventually
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from .conftest import EVENTS, STREAM, add, count, numbers, published


async def test_an_event_travels_with_the_attributes_of_cloudevents(
    database, outbox, relay_on, store
):
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("request") as span:
        await add(database, outbox, "a", 1)
    async with relay_on(database).worker.running():
        await eventually(lambda: published(store))
    (event,) = await published(store)
    context = span.get_span_context()
    assert UUID(event.pop("id").decode()).version == 7
    time = event.pop("time").decode()
    assert time.endswith("Z")
    assert datetime.fromisoformat(time) > datetime.now(UTC) - timedelta(minutes=5)
    assert event == {
        "specversion": b"1.0",
        "source": b"/test",
        "type": b"thing.changed",
        "subject": b"a",
        "datacontenttype": b"application/json",
        "data": b"1",
        "traceparent": b"00-%032x-%016x-%02x"
        % (context.trace_id, context.span_id, context.trace_flags),
    }
    assert await count(database, "outbox_events") == 0


async def test_more_than_a_batch_leaves_in_the_order_in_which_it_was_added(
    database, outbox, relay_on, store
):
    registry = CollectorRegistry()
    for number in range(25):
        await add(database, outbox, f"s{number % 3}", number)
    async with relay_on(database, registry).worker.running():
        await eventually(lambda: _gone(database))
    assert [number for _, number in await numbers(store)] == list(range(25))
    assert registry.get_sample_value("outbox_published_events_total") == 25
    assert registry.get_sample_value("outbox_stream_events") == 25
    assert registry.get_sample_value("outbox_relay_failures_total") == 0


async def _gone(database) -> bool:
    return await count(database, "outbox_events") == 0


async def test_a_commit_leaves_at_once_and_not_with_the_next_poll(
    database, settings, relay_on, store
):
    relay = relay_on(database)
    relay._settings = settings.model_copy(update={"poll": 60})
    outbox = Outbox(settings, wake=relay.worker.wake)
    async with relay.worker.running():
        for number in range(3):
            await add(database, outbox, "a", number)
            await eventually(lambda: _gone(database))
    assert await numbers(store) == [("a", 0), ("a", 1), ("a", 2)]


async def test_what_was_committed_last_still_leaves_when_the_process_stops(
    database, settings, relay_on, store
):
    relay = relay_on(database)
    relay._settings = settings.model_copy(update={"poll": 60})
    async with relay.worker.running():
        await asyncio.sleep(0.1)
        for number in range(25):
            await add(database, Outbox(settings, wake=lambda: None), "a", number)
    assert len(await numbers(store)) == 25


async def test_an_event_that_is_committed_late_is_not_taken_for_published(
    postgres, outbox, relay_on, store
):
    async with relay_on(postgres).worker.running():
        async with postgres.session() as late:
            await outbox.add(late, "thing.changed", subject="late", data=1)
            await add(postgres, outbox, "b", 2)
            await eventually(lambda: published(store))
        await eventually(lambda: _gone(postgres))
    assert await numbers(store) == [("b", 2), ("late", 1)]


async def test_changes_of_one_row_leave_in_the_order_in_which_they_were_made(
    postgres, outbox, relay_on, store
):
    async with postgres.session() as session:
        await session.execute(text("CREATE TABLE things (name VARCHAR(5), version INTEGER)"))
        await session.execute(text("INSERT INTO things VALUES ('a', 0), ('b', 0)"))
    change = text("UPDATE things SET version = version + 1 WHERE name = :name RETURNING version")

    async def change_some(name: str) -> None:
        for _ in range(20):
            async with postgres.session() as session:
                version = await session.scalar(change, {"name": name})
                await outbox.add(session, "thing.changed", subject=name, data=version)

    async with relay_on(postgres).worker.running(), asyncio.TaskGroup() as tasks:
        for name in "abab":
            tasks.create_task(change_some(name))
    seen = await numbers(store)
    for name in "ab":
        assert [number for subject, number in seen if subject == name] == list(range(1, 41))


async def test_a_relay_that_dies_before_its_commit_repeats_and_loses_nothing(
    database, outbox, relay_on, store
):
    for number in range(3):
        await add(database, outbox, "a", number)
    dying = relay_on(database)
    publish = dying._stream.publish

    async def die(events) -> int:
        await publish(events)
        raise SystemError("killed here")

    dying._stream.publish = die
    with pytest.raises(SystemError):
        await dying._step()
    assert await count(database, "outbox_events") == 3
    async with relay_on(database).worker.running():
        await eventually(lambda: _gone(database))
    assert await numbers(store) == [("a", 0), ("a", 1), ("a", 2)] * 2
    assert len({event["id"] for event in await published(store)}) == 3


async def test_of_two_replicas_one_relays_and_the_other_steps_in_when_it_is_gone(
    postgres, impatient, outbox, *, relay_on, store
):
    registry = CollectorRegistry()
    first, second = relay_on(postgres), relay_on(impatient, registry)
    entered, free = asyncio.Event(), asyncio.Event()
    publish = first._stream.publish

    async def hang(events) -> int:
        entered.set()
        await free.wait()
        return await publish(events)

    first._stream.publish = hang
    await add(postgres, outbox, "a", 1)
    step = asyncio.create_task(first._step())
    await entered.wait()
    async with second.worker.running():
        await asyncio.sleep(0.5)
        assert await published(store) == []
        assert registry.get_sample_value("outbox_relay_failures_total") == 0
        step.cancel()
        await eventually(lambda: _gone(postgres))
    assert await numbers(store) == [("a", 1)]


async def test_two_replicas_together_publish_each_event_once_and_in_order(
    postgres, outbox, relay_on, store
):
    async with relay_on(postgres).worker.running(), relay_on(postgres).worker.running():
        for number in range(60):
            await add(postgres, outbox, "a", number)
        await eventually(lambda: _gone(postgres))
    assert await numbers(store) == [("a", number) for number in range(60)]


async def test_how_much_waits_and_since_when_is_shown(database, outbox, relay_on):
    registry = CollectorRegistry()
    relay = relay_on(database, registry)
    relay._stream.publish = _refuse
    for number in range(3):
        await add(database, outbox, "a", number)
    async with database.session() as session:
        old = datetime.now(UTC) - timedelta(minutes=10)
        await session.execute(EVENTS.update().where(EVENTS.c.data == "0").values(time=old))
    async with relay.worker.running():
        await eventually(lambda: registry.get_sample_value("outbox_relay_failures_total") >= 2)
    assert registry.get_sample_value("outbox_pending_events") == 3
    assert 600 <= registry.get_sample_value("outbox_oldest_event_seconds") < 660


async def _refuse(_: object) -> int:
    raise ConnectionError("down")


async def test_nobody_who_tells_of_events_shortens_the_pauses_while_publishing_fails(
    database, outbox, relay_on
):
    registry = CollectorRegistry()
    relay = relay_on(database, registry)
    relay._stream.publish = _refuse
    await add(database, outbox, "a", 1)
    async with relay.worker.running():
        for _ in range(100):
            relay.worker.wake()
            await asyncio.sleep(0.01)
        assert registry.get_sample_value("outbox_relay_failures_total") <= 10


async def test_events_that_are_too_many_for_a_slow_network_leave_one_by_one(
    database, outbox, relay_on, store
):
    relay = relay_on(database)
    publish = relay._stream.publish

    async def slow(events) -> int:
        if len(few := list(events)) > 1:
            raise ConnectionError("no answer within 0.1 s")
        return await publish(few)

    relay._stream.publish = slow
    for number in range(4):
        await add(database, outbox, "a", number)
    async with relay.worker.running():
        await eventually(lambda: _gone(database))
    assert await numbers(store) == [("a", number) for number in range(4)]


async def test_counting_what_waits_has_a_bound(database, outbox, relay_on, monkeypatch):
    monkeypatch.setattr(table, "MOST_COUNTED", 4)
    for number in range(6):
        await add(database, outbox, "a", number)
    assert await relay_on(database)._look() == 4


async def test_the_stream_keeps_about_as_many_events_as_its_settings_say(
    database, settings, relay_on, store
):
    small = settings.model_copy(update={"stream_length": 100, "batch": 500})
    relay = relay_on(database)
    relay._settings, relay._stream._length = small, 100
    outbox = Outbox(small, wake=lambda: None)
    async with database.session() as session:
        for number in range(1000):
            await outbox.add(session, "thing.changed", subject="a", data=number)
    async with relay.worker.running():
        await eventually(lambda: _gone(database))
    kept = await store.client.xlen(STREAM)
    assert 100 <= kept < 300
    assert (await numbers(store))[-1] == ("a", 999)


async def test_a_relay_outlives_a_table_that_is_not_there_yet(tmp_path, relay_on, telemetry):
    database = Database(DatabaseSettings(url=f"sqlite:///{tmp_path}/none.db"))
    registry = CollectorRegistry()
    async with relay_on(database, registry).worker.running():
        await eventually(lambda: registry.get_sample_value("outbox_relay_failures_total") >= 1)
        async with database.engine.begin() as connection:
            await connection.run_sync(EVENTS.create)
        await add_only(database)
        await eventually(lambda: _gone(database))
    await database.close()


async def add_only(database) -> None:
    async with database.session() as session:
        values = {"id": UUID(int=7), "type": "t", "subject": "s", "time": datetime.now(UTC)}
        await session.execute(EVENTS.insert().values(values | {"data": json.dumps(1)}))
