"""What a promise is, and how one is asked about."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from chassis_core.contract.rule import Term
from chassis_core.testing.conformance.subject import Subject

PATIENCE = 30.0
"""Seconds that one promise may take to be asked about: each takes a fraction of one."""
Outcome = Literal["kept", "broken", "does not apply"]


class Broken(AssertionError):
    """A promise is broken; the text says what was seen and what belongs there."""


class DoesNotApply(Exception):
    """A promise cannot be asked of this service; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise(Term):
    """Something that the chassis promises of every assembled service.

    Attributes:
        check: asks a service; raises `Broken`, or `DoesNotApply`.
    """

    check: Callable[[Subject], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of asking a service about one promise.

    Attributes:
        promise: the promise.
        outcome: kept, broken, or that it does not apply.
        text: what was seen and what belongs there, or why it does not apply.
    """

    promise: Promise
    outcome: Outcome
    text: str = ""


def hold(kept: object, text: str) -> None:
    """Raise `Broken` with `text` unless `kept` is true."""
    if not kept:
        raise Broken(text)


async def ask(promise: Promise, subject: Subject) -> Verdict:
    """Ask a service about a promise; whatever goes wrong on the way breaks it too."""
    try:
        async with asyncio.timeout(PATIENCE):
            await promise.check(subject)
    except DoesNotApply as reason:
        return Verdict(promise, "does not apply", str(reason))
    except AssertionError as broken:
        return Verdict(promise, "broken", str(broken))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a service may fail in any way
        return Verdict(promise, "broken", f"asking failed with {type(error).__name__}: {error}")
    return Verdict(promise, "kept")
