"""Whose things are: what one caller makes, no other reaches."""

from collections.abc import Iterator
from contextlib import contextmanager

from chassis_core.testing.conformance.callers import OTHER, OWNER, Callers, Thing, Unasked
from chassis_core.testing.conformance.operations import Operation
from chassis_core.testing.conformance.promise import Broken, DoesNotApply, Promise, hold
from chassis_core.testing.conformance.subject import Subject
from chassis_core.testing.conformance.things import Kind, kinds_of, owned

_REMEDY = "look it up among the caller's own, or say openapi_extra=SHARED if it is for all"


async def _apart(subject: Subject) -> None:
    if subject.issuer is None:
        raise DoesNotApply("auth.mode is none: the service has keys of its own, or lets no one in")
    kinds = [*kinds_of(subject.operations)]
    unasked = [*_strays(subject, kinds)]
    if not kinds and not unasked:
        raise DoesNotApply("no POST that answers 201 makes what only its maker may reach")
    async with subject.running() as service:
        unasked += await _asked(Callers(subject, service), kinds)
    if unasked:
        raise DoesNotApply(f"not all could be asked: {'; '.join(unasked)}")


def _strays(subject: Subject, kinds: list[Kind]) -> Iterator[str]:
    known = [one for kind in kinds for one in (kind.making, *kind.reaching)]
    for operation in subject.operations:
        if "{" in operation.path and owned(operation) and operation not in known:
            yield (
                f"{operation} is for what no POST makes that answers 201: say "
                "openapi_extra=SHARED if it is for all"
            )


async def _asked(callers: Callers, kinds: list[Kind]) -> list[str]:
    unasked: list[str] = []
    for kind in kinds:
        with _noted(unasked):
            await callers.make(kind)
    things = [await callers.read(thing) for thing in callers.things]
    for thing in things:
        for operation in thing.kind.reaching:
            with _noted(unasked):
                await _refused(callers, operation, thing)
        with _noted(unasked):
            await _listed(callers, thing)
    with _noted(unasked):
        await _unmentioned(callers, things)
    for thing in things:
        await _unchanged(callers, thing)
    reaching = [(one, thing) for thing in things for one in thing.kind.reaching]
    for operation, thing in sorted(reaching, key=_last_to_delete):
        with _noted(unasked):
            await _found(callers, operation, thing)
    return unasked


@contextmanager
def _noted(unasked: list[str]) -> Iterator[None]:
    try:
        yield
    except Unasked as reason:
        unasked.append(str(reason))


def _last_to_delete(asked: tuple[Operation, Thing]) -> tuple[bool, int]:
    return asked[0].method == "DELETE", -asked[0].path.count("/")


async def _refused(callers: Callers, operation: Operation, thing: Thing) -> None:
    status = (await callers.reach(OTHER, operation, thing)).status_code
    if status in {403, 404}:
        return
    nothing = thing.id[:-1] + ("1" if thing.id.endswith("0") else "0")
    of_nothing = (await callers.reach(OTHER, operation, thing, nothing)).status_code
    if status == of_nothing and 400 <= status < 500:
        raise Unasked(f"{operation} answers what was made up {status}, whatever it is for")
    raise Broken(
        f"{operation} of what another caller made is answered {status}, not 404: {_REMEDY}"
    )


async def _found(callers: Callers, operation: Operation, thing: Thing) -> None:
    # What is not there for its owner is no answer to whether it is there for others.
    if (await callers.reach(OWNER, operation, thing)).status_code == 404:
        raise Unasked(f"{operation} answers the owner 404, too")


async def _listed(callers: Callers, thing: Thing) -> None:
    if (listing := thing.kind.listing) is None:
        return
    others = await callers.send(OTHER, listing, thing.collection)
    hold(not thing.stands_in(others), f"{listing} has what another caller made: {_REMEDY}")
    own = await callers.send(OWNER, listing, thing.collection)
    if not thing.stands_in(own):
        raise Unasked(f"{listing} answers the owner {own.status_code}, without what was made")


async def _unmentioned(callers: Callers, things: list[Thing]) -> None:
    """Look for what was made wherever another caller reads without naming it: in a search, say."""
    for operation in callers.subject.operations:
        if operation.method == "GET" and "{" not in operation.path and owned(operation):
            answer = await callers.send(OTHER, operation, operation.path)
            for thing in things:
                hold(
                    not (thing.is_unique and thing.stands_in(answer)),
                    f"{operation} has what another caller made: {_REMEDY}",
                )


async def _unchanged(callers: Callers, thing: Thing) -> None:
    if (reading := thing.kind.reading) is None or thing.seen is None:
        return
    answer = await callers.reach(OWNER, reading, thing)
    hold(
        (answer.status_code, answer.text) == (200, thing.seen),
        f"{reading} answers the owner otherwise once another caller has tried "
        f"{', '.join(map(str, thing.kind.reaching))}: {_REMEDY}",
    )


OWNERSHIP = (
    Promise(
        "callers-are-kept-apart",
        says="What one caller makes, no other lists, reads or changes, unless the route says that "
        "it is shared.",
        why="A query that has lost its owner passes every test with one caller. It is the first "
        "risk of APIs in OWASP's list.",
        check=_apart,
    ),
)
