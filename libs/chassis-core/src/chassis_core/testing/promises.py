"""The fixture that asks a service about each promise of the conformance suite."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from chassis_core.installed import factory
from chassis_core.testing.conformance import PROMISES, DoesNotApply, Promise, Subject, examining


@pytest.fixture(scope="module")
async def _subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    """The installed service that the test module names: `SERVICE = "orders"`."""
    replaces = getattr(request.module, "REPLACES", ())
    async with examining(factory(request.module.SERVICE), replaces=replaces) as subject:
        yield subject


@pytest.fixture(params=PROMISES, ids=lambda promise: promise.name)
def promise(request: pytest.FixtureRequest, _subject: Subject) -> Callable[[], Awaitable[None]]:
    """One promise of the chassis: called and awaited, it is asked of the service."""
    asked: Promise = request.param

    async def ask() -> None:
        try:
            await asked.check(_subject)
        except DoesNotApply as reason:
            pytest.skip(f"{asked.name} does not apply: {reason}")

    return ask
