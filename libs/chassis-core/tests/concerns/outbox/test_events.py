"""Telling of events: together with the change, or not at all."""

from contextlib import suppress

import pytest
from chassis_core import Events, ServiceSettings, create_app, standard
from chassis_core.concerns.database import Database, DatabaseSettings
from chassis_core.concerns.outbox import Outbox, OutboxSettings
from chassis_core.testing import Telemetry, running
from fastapi import APIRouter
from prometheus_client import CollectorRegistry
from sqlalchemy import event as hooks
from sqlalchemy import text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from .conftest import add, count


async def test_an_event_and_its_change_are_committed_together(database: Database, outbox: Outbox):
    await add(database, outbox, "a", 1)
    assert (await count(database, "effects"), await count(database, "outbox_events")) == (1, 1)


async def test_an_event_and_its_change_are_rolled_back_together(database, outbox):
    with suppress(RuntimeError):
        async with database.session() as session:
            await session.execute(text("INSERT INTO effects VALUES ('a')"))
            await outbox.add(session, "thing.changed", subject="a", data=1)
            raise RuntimeError
    assert (await count(database, "effects"), await count(database, "outbox_events")) == (0, 0)


async def test_an_event_goes_with_the_part_of_the_work_that_is_taken_back(database, outbox):
    async with database.session() as session:
        await outbox.add(session, "thing.changed", subject="a", data=1)
        with suppress(RuntimeError):
            async with session.begin_nested():
                await outbox.add(session, "thing.changed", subject="b", data=2)
                raise RuntimeError
    assert await count(database, "outbox_events") == 1


class Base(DeclarativeBase):
    pass


class Effect(Base):
    __tablename__ = "effects"
    name: Mapped[str] = mapped_column(primary_key=True)


async def test_a_change_is_written_before_its_event_takes_its_place_in_the_order(database, outbox):
    written = []

    def note(_connection, _cursor, statement, *_):
        written.append(" ".join(statement.split()[:3]))

    hooks.listen(database.engine.sync_engine, "before_cursor_execute", note)
    async with database.session() as session:
        session.add(Effect(name="a"))
        await outbox.add(session, "thing.changed", subject="a", data=1)
    assert written[-2:] == ["INSERT INTO effects", "INSERT INTO outbox_events"]


async def test_the_relay_is_woken_by_the_commit_and_not_before(database, settings):
    woken = []
    outbox = Outbox(settings, wake=lambda: woken.append("now"))
    async with database.session() as session:
        await outbox.add(session, "thing.changed", subject="a", data=1)
        assert not woken
    assert woken


async def test_an_event_larger_than_the_limit_is_refused(database, settings):
    outbox = Outbox(settings.model_copy(update={"max_event": 10}), wake=lambda: None)
    with pytest.raises(ValueError, match="12 bytes of data, 10 fit"):
        async with database.session() as session:
            await outbox.add(session, "thing.changed", subject="a", data="0123456789")
    assert await count(database, "outbox_events") == 0


async def test_without_redis_nothing_is_stored_and_what_was_dropped_is_counted(database):
    registry = CollectorRegistry()
    outbox = Outbox(OutboxSettings(enabled=True), wake=None, registry=registry)
    await add(database, outbox, "a", 1)
    assert (await count(database, "effects"), await count(database, "outbox_events")) == (1, 0)
    assert registry.get_sample_value("outbox_dropped_events_total") == 1


@pytest.mark.parametrize("enabled, status", [(True, 200), (False, 500)])
async def test_a_service_that_forgot_to_say_that_it_has_an_outbox_fails_loudly(
    enabled, status, tmp_path, telemetry: Telemetry
):
    router = APIRouter()

    @router.post("/tell")
    async def tell(events: Events) -> None: ...

    settings = ServiceSettings(
        name="test",
        outbox=OutboxSettings(enabled=enabled),
        database=DatabaseSettings(url=f"sqlite:///{tmp_path}/test.db"),
    )
    app = create_app(settings, routers=[router], **telemetry.shared())
    async with running(app) as http:
        assert (await http.post("/tell")).status_code == status
    assert ("outbox_off" in [line["event"] for line in telemetry.lines]) == enabled


def test_the_last_events_leave_before_the_stores_are_closed():
    names = [concern.name for concern in standard(ServiceSettings(name="test"))]
    assert names.index("outbox") > max(names.index("redis"), names.index("database"))
