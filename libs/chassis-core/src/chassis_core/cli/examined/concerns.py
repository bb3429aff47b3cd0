"""Every concern of an app: its diagnosis, or else its readiness check."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import nullcontext

from chassis_core.cli.examined import Examined
from chassis_core.concern import Check, Concern, Fault
from chassis_core.redaction import one_line

POLL = 0.05
"""Seconds between two looks at a check that does not pass yet."""
BACKSTOP = 4
"""How many times as long as it was told a diagnosis may take: it asks a few things in turn."""


async def examine(concerns: Iterable[Concern], within: float) -> list[Examined]:
    """Ask all concerns at once; one that hangs is named as such.

    Args:
        concerns: of an app that is not started.
        within: seconds that each thing may take that a concern asks.
    """
    asked = {c.name: asyncio.create_task(_faults(c, within)) for c in concerns if _can_tell(c)}
    if asked:
        await asyncio.wait(asked.values(), timeout=BACKSTOP * within)
    return [Examined(name, _result(task, within)) for name, task in asked.items()]


def _can_tell(concern: Concern) -> bool:
    return concern.diagnose is not None or concern.ready is not None


def _result(task: asyncio.Task[Sequence[Fault]], within: float) -> Sequence[Fault]:
    if task.done():
        return task.result()
    task.cancel()
    return [Fault(f"no answer within {BACKSTOP * within:g} s: what it asks hangs", "see its code")]


async def _faults(concern: Concern, within: float) -> Sequence[Fault]:
    check = concern.ready
    try:
        if concern.diagnose is not None:
            return await concern.diagnose(within)
        async with concern.lifespan() if concern.lifespan else nullcontext():
            return [] if check is None else await _ready(concern, check, within)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the others are told of all the same
        return [Fault(one_line(error), f"see what {concern.name} needs, and its code")]


async def _ready(concern: Concern, check: Check, within: float) -> Sequence[Fault]:
    where = f"{check.__module__}.{getattr(check, '__qualname__', 'ready')}"
    fix = f"see what {concern.name} needs; its check is {where}"
    failed: Exception | None = None
    try:
        async with asyncio.timeout(within):
            while True:
                try:
                    await check()
                except Exception as error:  # noqa: BLE001 - it may pass the next time
                    failed = error
                else:
                    return []
                await asyncio.sleep(POLL)
    except TimeoutError:
        hangs = f"no answer within {within:g} s: what it asks hangs"
        why = one_line(failed) if failed else hangs
        return [Fault(why, fix)]
