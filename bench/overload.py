"""What becomes of a service at three times its capacity: `python -m bench.overload`.

Requests come at a rate that does not wait for answers; latencies count from when each was due.
Overload is seen after a few tenths of a second, and what was let in before is answered late: that
first second is shown, and the bars hold for the rest.
Exit code 1: goodput fell under 80 % of the peak, what was taken became several times as slow as
below the peak, a refusal was slow or gave no hint when to come back, a probe failed, memory grew by
100 MB, or a second after the overload not all was well.
"""

import argparse
import asyncio
import gc
import sys
from collections.abc import Sequence
from typing import NamedTuple

import uvloop
from chassis_core.concerns.load import LoadSettings

from bench.client import Answer, Client, at_rate, in_turn, p99, percentile
from bench.instance import Instance

PATHS = {"core": "/busy/5", "small": "/busy/2", "pool": "/pool"}
SLOWER = 3
"""How many times as slow as below the peak what is taken may be."""
ONSET = 1.0
"""Seconds within which overload must be seen and what was let in before be done."""


class Seen(NamedTuple):
    """What the service did before, in and after the overload."""

    peak: float
    usual: Sequence[Answer]
    onset: Sequence[Answer]
    flood: Sequence[Answer]
    probes: Sequence[Answer]
    after: Sequence[Answer]
    seconds: float
    grown: int

    def goodput(self) -> float:
        """Return the share of the peak that was answered well in the overload."""
        return len(_with(200, self.flood)) / self.seconds / self.peak


async def main(options: argparse.Namespace) -> int:
    gc.disable()  # A pause of this process would be taken for one of the service.
    load = {"max_concurrency": options.max_concurrency, "max_slowdown": options.max_slowdown}
    async with Instance({"load": load}) as target:
        seen = await _measure(target, PATHS[options.of], options)
    _show(seen, options.times)
    return 0 if _held(seen, options.slack) else 1


async def _measure(target: Instance, path: str, options: argparse.Namespace) -> Seen:
    client = Client(target.port)

    async def visit(due: float) -> Answer:
        return await client.get(path, since=due)

    half = options.seconds / 2
    await at_rate(20, 1, visit)
    most = await in_turn(8, half, lambda: client.get(path))
    peak = len(_with(200, most)) / half
    usual = await at_rate(0.8 * peak, half, visit)
    before = target.memory()
    probing = asyncio.create_task(_probe(target, options.seconds + ONSET))
    flood = await at_rate(options.times * peak, options.seconds + ONSET, visit)
    probes = await probing
    grown = target.memory() - before
    await asyncio.sleep(1)
    after = await at_rate(0.5 * peak, 2, visit)
    first = int(options.times * peak * ONSET)
    return Seen(peak, usual, flood[:first], flood[first:], probes, after, options.seconds, grown)


async def _probe(target: Instance, seconds: float) -> Sequence[Answer]:
    return await at_rate(5, seconds, lambda due: target.admin.get("/livez", since=due))


def _show(seen: Seen, times: float) -> None:
    print(f"peak              {seen.peak:8.0f} requests/s")
    print(f"at 80 % of it     {_times(seen.usual)}")
    print(f"goodput           {seen.goodput():8.0%} of the peak, at {times} times of it")
    print(f"taken             {_times(_with(200, seen.flood))}")
    print(f"taken at first    {_times(_with(200, seen.onset))}")
    print(f"refused           {_times(_with(503, seen.flood))}")
    print(f"probes            {_times(seen.probes)}, {_failed(seen.probes)} failed")
    print(f"memory            {seen.grown / 1e6:+8.1f} MB")
    print(f"a second later    {_failed(seen.after):8} failed of {len(seen.after)}")


def _held(seen: Seen, slack: float) -> bool:
    taken, refused = _with(200, seen.flood), _with(503, seen.flood)
    held = {
        "goodput": seen.goodput() >= 0.8 / slack,
        "what is taken is fast": p99(taken) <= SLOWER * slack * p99(seen.usual),
        "refusals are fast": p99(refused) <= 50 * slack,
        "refusals say when": all(b"retry-after" in answer.head for answer in refused),
        "nothing else": len(taken) + len(refused) == len(seen.flood),
        "probes": not _failed(seen.probes),
        "memory": seen.grown < 1e8,
        "all is well again": not _failed(seen.after),
    }
    for bar in [name for name, is_held in held.items() if not is_held]:
        print(f"not held: {bar}")
    return all(held.values())


def _times(answers: Sequence[Answer]) -> str:
    middle = percentile([answer.seconds for answer in answers], 0.5)
    return f"{middle:8.1f} ms, p99 {p99(answers):.1f} ms, of {len(answers)}"


def _with(status: int, answers: Sequence[Answer]) -> Sequence[Answer]:
    return [answer for answer in answers if answer.status == status]


def _failed(answers: Sequence[Answer]) -> int:
    return len(answers) - len(_with(200, answers))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.overload", description=__doc__)
    parser.add_argument("--of", choices=PATHS, default="core", help="what there is too little of")
    parser.add_argument("--times", type=float, default=3, help="the capacity")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument(
        "--slack", type=float, default=1, help="loosens the bars, on a busy machine"
    )
    parser.add_argument("--max-concurrency", type=int, default=LoadSettings().max_concurrency)
    parser.add_argument("--max-slowdown", type=float, default=LoadSettings().max_slowdown)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(uvloop.run(main(_options())))
