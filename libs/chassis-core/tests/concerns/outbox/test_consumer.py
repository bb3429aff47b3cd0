"""The consuming side: one effect an event, in order, and an end for what nobody can handle."""

import asyncio
import time

import pytest
from chassis_core import context
from chassis_core.concerns.outbox import Event, OutboxSettings, Subscription, consumers
from chassis_core.testing import Telemetry, eventually
from sqlalchemy import text

from .conftest import NOTES, STREAM, add, published

DEAD = f"{{{STREAM}}}:dead:readers"


class Reader:
    """Writes an effect for each event, or fails as the test says."""

    def __init__(self) -> None:
        self.tried: list[int] = []
        self.failing: dict[int, Exception] = {}
        self.held: asyncio.Event | None = None

    async def handle(self, event: Event, session) -> None:
        self.tried.append(event.data)
        if self.held is not None:
            await self.held.wait()
        name = f"effect-{event.data}"
        await session.execute(text("INSERT INTO effects VALUES (:name)"), {"name": name})
        if (error := self.failing.get(event.data)) is not None:
            raise error


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def settings() -> OutboxSettings:
    return OutboxSettings(enabled=True, poll=0.02, longest_pause=0.05, attempts=3)


@pytest.fixture
def consuming(database, store, settings, reader, telemetry: Telemetry):
    """Make the lifespan of a replica that consumes; the first one's events are counted."""
    registries = [telemetry.registry]

    def make(**changes):
        concern = consumers(
            settings.model_copy(update=changes),
            Subscription(STREAM, "readers", reader.handle),
            database=database,
            store=store,
            registry=registries.pop() if registries else None,
            tracer=telemetry.provider.get_tracer("test"),
        )
        return concern.lifespan()

    return make


@pytest.fixture
async def tell(database, outbox, relay_on):
    """Publish events with these numbers."""

    async def make(*data: int) -> None:
        for number in data:
            await add(database, outbox, "a", number)
        while await relay_on(database)._step() == 0:
            pass

    return make


async def effects(database) -> list[str]:
    async with database.session(read_only=True) as session:
        found = await session.scalars(text("SELECT name FROM effects WHERE name LIKE 'effect%'"))
        return list(found)


async def acknowledged(store) -> bool:
    (group,) = await store.client.xinfo_groups(STREAM)
    return group["pending"] == 0 and group["lag"] == 0


def seen(telemetry: Telemetry, outcome: str) -> float:
    labels = {"stream": STREAM, "group": "readers", "outcome": outcome}
    return telemetry.sample("outbox_consumed_events_total", **labels) or 0


async def test_each_event_has_its_effect_in_order(consuming, tell, database, store, telemetry):
    await tell(0, 1, 2)
    async with consuming():
        await eventually(lambda: seen(telemetry, "handled") == 3)
        await tell(3)
        await eventually(lambda: seen(telemetry, "handled") == 4)
    assert await effects(database) == [f"effect-{n}" for n in range(4)]
    assert await acknowledged(store)


async def test_an_event_that_comes_twice_has_one_effect(
    consuming, tell, database, store, telemetry
):
    await tell(1)
    (fields,) = await published(store)
    await store.client.xadd(STREAM, fields)
    async with consuming():
        await eventually(lambda: seen(telemetry, "repeated") == 1)
    assert await effects(database) == ["effect-1"]
    assert await acknowledged(store)


async def test_one_that_died_between_commit_and_acknowledgement_has_had_its_effect(
    consuming, tell, database, store, reader
):
    await tell(1)
    execute = store.execute

    async def lose(*command):
        if command[0] == "XACK":
            raise ConnectionError("killed here")
        return await execute(*command)

    store.execute = lose
    async with consuming():
        await eventually(lambda: effects(database))
    del store.execute
    async with consuming():
        await eventually(lambda: acknowledged(store))
    assert await effects(database) == ["effect-1"]
    assert reader.tried == [1]


async def test_a_failure_takes_its_effect_back_and_later_events_wait_for_their_turn(
    consuming, tell, database, reader, telemetry
):
    await tell(1, 2, 3)
    reader.failing[2] = RuntimeError("not yet")
    async with consuming(attempts=1000):
        await eventually(lambda: reader.tried.count(2) >= 3)
        assert await effects(database) == ["effect-1"]
        reader.failing.clear()
        await eventually(lambda: seen(telemetry, "handled") == 3)
    assert await effects(database) == ["effect-1", "effect-2", "effect-3"]
    assert seen(telemetry, "failed") >= 3


async def test_what_nobody_can_handle_is_put_aside_and_the_rest_goes_on(
    consuming, tell, database, store, *, reader, telemetry
):
    await tell(1, 2, 3)
    reader.failing[2] = RuntimeError("never")
    async with consuming():
        await eventually(lambda: seen(telemetry, "handled") == 2)
    assert reader.tried == [1, 2, 2, 2, 3]
    assert await effects(database) == ["effect-1", "effect-3"]
    (dead,) = await published(store, DEAD)
    assert (dead["subject"], dead["data"]) == (b"a", b"2")
    assert seen(telemetry, "dead") == 1
    assert await acknowledged(store)


async def test_an_entry_that_is_no_event_is_put_aside_too(consuming, store, telemetry, reader):
    await store.client.xadd(STREAM, {"what": "ever"})
    await store.client.xadd(STREAM, {"id": b"\xff", "data": "{"})
    async with consuming():
        await eventually(lambda: seen(telemetry, "dead") == 2)
    assert await store.client.xlen(DEAD) == 2
    assert not reader.tried


async def test_an_event_that_the_stream_dropped_while_it_was_tried_is_counted(
    consuming, tell, store, reader, telemetry
):
    await tell(1, 2)
    reader.failing[1] = RuntimeError("not yet")
    async with consuming(attempts=1000):
        await eventually(lambda: reader.tried)
        await store.client.xtrim(STREAM, maxlen=1, approximate=False)
        await eventually(lambda: seen(telemetry, "handled") == 1)
    assert seen(telemetry, "trimmed") == 1
    assert reader.tried[-1] == 2


async def test_a_handler_that_hangs_is_a_failure_after_its_time(
    consuming, tell, database, reader, telemetry
):
    await tell(1)
    reader.held = asyncio.Event()
    async with consuming(handler_timeout=0.1, attempts=1000):
        await eventually(lambda: seen(telemetry, "failed") >= 1)
        reader.held.set()
        await eventually(lambda: seen(telemetry, "handled") == 1)
    assert await effects(database) == ["effect-1"]


async def test_of_two_replicas_one_handles_at_a_time(
    postgres, impatient, store, *, settings, reader, tell_postgres
):
    own = Subscription(STREAM, "readers", reader.handle)
    first, second = (
        consumers(settings, own, database=each, store=store) for each in (postgres, impatient)
    )
    await tell_postgres(*range(30))
    reader.held = asyncio.Event()
    async with first.lifespan():
        await eventually(lambda: reader.tried)
        async with second.lifespan():
            await asyncio.sleep(0.3)
            (pending,) = await store.client.xpending_range(STREAM, "readers", "-", "+", 10)
            assert (pending["times_delivered"], reader.tried) == (1, [0])
            reader.held.set()
            await eventually(lambda: acknowledged(store))
    assert reader.tried == list(range(30))


@pytest.fixture
async def tell_postgres(postgres, outbox, relay_on):
    async def make(*data: int) -> None:
        for number in data:
            await add(postgres, outbox, "a", number)
        while await relay_on(postgres)._step() == 0:
            pass

    return make


async def test_the_work_continues_the_trace_of_the_event_and_its_lines_name_it(
    database, store, settings, outbox, *, relay_on, telemetry
):
    tracer, seen = telemetry.provider.get_tracer("test"), []

    async def handle(event: Event, _) -> None:
        seen.append((event, context.current()))

    with tracer.start_as_current_span("request") as request:
        await add(database, outbox, "a", 1)
    await relay_on(database)._step()
    concern = consumers(
        settings, Subscription(STREAM, "g", handle), database=database, store=store, tracer=tracer
    )
    async with concern.lifespan():
        await eventually(lambda: [s for s in telemetry.spans if s.name.startswith("process")])
    (span,) = [s for s in telemetry.spans if s.name == f"process {STREAM}"]
    assert span.context.trace_id == request.get_span_context().trace_id
    assert span.parent.span_id == request.get_span_context().span_id
    ((event, current),) = seen
    assert current.request_id == event.id == span.attributes["messaging.message.id"]
    assert current.fields == {"event_type": "thing.changed", "event_subject": "a"}
    assert 0 < current.time_left() <= settings.handler_timeout


async def test_old_notes_are_removed_with_later_events(consuming, tell, database, telemetry):
    async with database.session() as session:
        old = int(time.time()) - 1000
        await session.execute(NOTES.insert().values(reader="r", event="e", handled_at=old))
        await session.execute(NOTES.insert().values(reader="r", event="f", handled_at=old + 2000))
    await tell(1)
    async with consuming(remembered_for=500):
        await eventually(lambda: seen(telemetry, "handled") == 1)
    async with database.session(read_only=True) as session:
        left = list(await session.scalars(text("SELECT event FROM inbox_events")))
    assert len(left) == 2
    assert "e" not in left
