"""Whether the service still stands on the whole foundation."""

import asyncio
from typing import Any

from chassis_core import migrations
from chassis_core.app import standard
from chassis_core.concern import ADMIN_LAYERS, Concern, Layer
from chassis_core.testing.conformance.probe import BASE
from chassis_core.testing.conformance.promise import DoesNotApply, Promise, hold
from chassis_core.testing.conformance.situations import counted
from chassis_core.testing.conformance.subject import Subject
from chassis_core.testing.waiting import eventually


async def _whole(subject: Subject) -> None:
    app, _ = subject.build()
    found = {concern.name: concern for concern in app.concerns}
    for concern in standard(app.settings):
        if concern.name in subject.replaces:
            continue
        hold(concern.name in found, f"the standard concern {concern.name} is missing")
        hold(
            _shape(found[concern.name]) == _shape(concern),
            f"the standard concern {concern.name} is replaced by another; if that is meant, say "
            f"so by --replaces {concern.name}, and by REPLACES in the conformance test",
        )


def _shape(concern: Concern) -> tuple[Any, ...]:
    parts = (concern.lifespan, concern.ready, concern.on_drain)
    return (
        {layer: middleware.cls for layer, middleware in concern.middleware.items()},
        set(concern.error_handlers),
        [getattr(part, "__qualname__", part) for part in parts],
        [[getattr(r, "path", r) for r in router.routes] for router in concern.admin_routers],
        concern.optional,
    )


async def _ordered(subject: Subject) -> None:
    app, _ = subject.build()
    placed = {layer: m.cls for c in app.concerns for layer, m in c.middleware.items()}
    for name, actual, layers in (
        ("the app", app, [*Layer]),
        ("the admin app", app.admin, sorted(ADMIN_LAYERS)),
    ):
        found = [_name(middleware.cls) for middleware in actual.user_middleware]
        belongs = [_name(placed[layer]) for layer in layers if layer in placed]
        hold(
            found == belongs,
            f"the middleware of {name} is {found}; by the layers of its concerns it is {belongs}: "
            "give what is your own as a concern in Layer.SERVICE",
        )


def _name(middleware: Any) -> str:
    return str(getattr(middleware, "__name__", middleware))


async def _separate(subject: Subject) -> None:
    first, telemetry = subject.build()
    second, _ = subject.build()
    hold(first is not second, "the factory returned one app twice; it must make a new one")
    async with subject.running() as other:
        await other.http.get(f"{BASE}/ok")
    hold(
        not telemetry.lines and not sum(counted(telemetry).values()),
        "a request to one app was logged or counted by another: keep nothing in a global",
    )


async def _ended(subject: Subject) -> None:
    before = asyncio.all_tasks()
    async with subject.running() as service:
        await service.http.get(f"{BASE}/ok")
    try:
        await eventually(lambda: asyncio.all_tasks() <= before, within=2.0)
    except TimeoutError:
        left = [task.get_coro() for task in asyncio.all_tasks() - before]
        names = sorted(getattr(coroutine, "__qualname__", str(coroutine)) for coroutine in left)
        hold(False, f"tasks outlive the service: {names}; end them where its lifespan ends")


async def _migrated(subject: Subject) -> None:
    if (directory := subject.migrations) is None:
        raise DoesNotApply("the service has no migrations")
    at, head = await migrations.current(subject.settings.database), migrations.head(directory)
    hold(at == head, f"after `chassis migrate` the database is at {at}, not at {head}")
    try:
        await migrations.check(subject.settings.database, directory)
    except migrations.Drift as drift:
        hold(False, f"the models need what no migration makes: {drift}")


FOUNDATION = (
    Promise(
        "the-foundation-is-whole",
        says="Every standard concern is there, and none is replaced without a word.",
        why="A concern that is gone is missed by no test of the service: nothing that the service "
        "does looks any different.",
        check=_whole,
    ),
    Promise(
        "layers-stand-in-order",
        says="All middleware belongs to a concern and stands where its layer says.",
        why="Middleware that is added from outside stands outside of everything: what it answers "
        "has no id, no log line and no headers.",
        check=_ordered,
    ),
    Promise(
        "apps-share-nothing",
        says="Each app that the factory makes is a new one, and knows nothing of another.",
        why="What is kept in a global survives into the next test, and is shared by two apps of "
        "one process.",
        check=_separate,
    ),
    Promise(
        "nothing-outlives-the-service",
        says="When the service has stopped, none of its tasks runs on.",
        why="A task that is left behind works on closed connections, and holds the process until "
        "it is killed.",
        check=_ended,
    ),
    Promise(
        "migrations-make-the-models",
        says="The migrations lead to what the models need, to the last column.",
        why="A column that is in the model and in no migration is found in production, by its "
        "first query.",
        check=_migrated,
    ),
)
