"""What keeps answers fast for everyone."""

import asyncio
from contextlib import suppress
from time import monotonic
from typing import Any

from chassis_core.testing.conformance.operations import Operation
from chassis_core.testing.conformance.probe import BASE
from chassis_core.testing.conformance.promise import DoesNotApply, Promise, hold
from chassis_core.testing.conformance.samples import Unmakeable
from chassis_core.testing.conformance.subject import Running, Subject

LONGEST_BLOCK = 0.2
"""Seconds for which an operation may keep the event loop from everyone else."""
_TRIES = 3


async def _compressed(subject: Subject) -> None:
    wanted = {"gzip": "gzip", "identity": None, "gzip;q=0, identity": None, "": None}
    async with subject.running() as service:
        for accepted, belongs in wanted.items():
            headers = {"accept-encoding": accepted}
            answer = await service.http.get(f"{BASE}/large", headers=headers)
            coding = answer.headers.get("content-encoding")
            hold(coding == belongs, f"Accept-Encoding {accepted!r} is answered in {coding}")
            varies = answer.headers.get("vary", "").lower()
            hold("accept-encoding" in varies, "what could be compressed lacks Vary")
        answer = await service.http.get(f"{BASE}/events", headers={"accept-encoding": "gzip"})
        coding = answer.headers.get("content-encoding")
        hold(coding is None, f"an event stream is sent in {coding}, which holds events back")


async def _unblocked(subject: Subject) -> None:
    if not subject.operations:
        raise DoesNotApply("the OpenAPI document has no operation")
    async with subject.running() as service:
        for operation in subject.operations:
            # A busy machine stalls now and then; what blocks does so each time.
            stalls = [await _stall(subject, service, operation) for _ in range(_TRIES)]
            hold(
                min(stalls) < LONGEST_BLOCK,
                f"{operation} blocks the event loop for {min(stalls):.2f} s: await what takes "
                "time, or make it a plain `def`",
            )


async def _stall(subject: Subject, service: Running, operation: Operation) -> float:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            began = monotonic()
            await asyncio.sleep(0.005)
            longest = max(longest, monotonic() - began)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.006)
    body: dict[str, Any] = {}
    with suppress(Unmakeable):  # what reads a body before it blocks is not seen to do so
        body = operation.made_up_body()
    await service.send(operation, subject.token(*operation.scopes), **body)
    await asyncio.sleep(0.006)
    watching.cancel()
    return longest


SPEED = (
    Promise(
        "compression-is-asked-for",
        says="Long answers are compressed for who asks for it; event streams never are.",
        why="An answer in a coding that the client cannot read is lost, and a coder holds events "
        "back until it has enough of them.",
        check=_compressed,
    ),
    Promise(
        "the-loop-is-not-blocked",
        says=f"No operation keeps the event loop from everyone else for {LONGEST_BLOCK:g} s.",
        why="One blocking call in one handler stops every request of the process, and its probes.",
        check=_unblocked,
    ),
)
