"""What becomes of a service at three times its capacity: `python -m bench.overload`.

Requests come at a rate that does not wait for answers; latencies count from when each was due.
Exit code 1: goodput fell under 80 % of the peak, what was taken became slower than three times
what the peak shows, a refusal was slow, or a probe failed.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

import uvloop

from bench.instance import Instance
from bench.visitor import Answer, Visitor, at_rate, in_turn, percentile

PATHS = {"core": "/work/5", "pool": "/pool"}


async def main(options: argparse.Namespace) -> int:
    load = {"max_concurrency": options.max_concurrency, "max_lag": options.max_lag}
    async with Instance({"load": load}) as target:
        return await _measure(target, PATHS[options.of], options)


async def _measure(target: Instance, path: str, options: argparse.Namespace) -> int:
    visitor = Visitor(target.port)

    async def visit(due: float) -> Answer:
        return await visitor.get(path, since=due)

    await at_rate(20, 1, visit)
    calm = await at_rate(20, options.seconds / 2, visit)
    most = await in_turn(8, options.seconds / 2, lambda: visitor.get(path))
    peak = sum(answer.status == 200 for answer in most) / (options.seconds / 2)
    near = await at_rate(0.8 * peak, options.seconds / 2, visit)
    before = target.memory()
    probes = asyncio.create_task(_probe(target, options.seconds))
    flood = await at_rate(options.times * peak, options.seconds, visit)
    alive = await probes
    grown = target.memory() - before
    await asyncio.sleep(1)
    after = await at_rate(0.5 * peak, 2, visit)

    taken = [a.seconds for a in flood if a.status == 200]
    shed = [a.seconds for a in flood if a.status == 503]
    wrong = len(flood) - len(taken) - len(shed)
    goodput = len(taken) / options.seconds / peak
    usual = percentile([a.seconds for a in near], 0.99)
    slow = percentile(taken, 0.99)
    print(f"peak              {peak:8.0f} requests/s")
    print(f"unloaded p99      {percentile([a.seconds for a in calm], 0.99):8.1f} ms")
    print(f"p99 at 80 %       {usual:8.1f} ms")
    print(f"goodput           {goodput:8.0%} of the peak, at {options.times} times of it")
    print(f"p50, p99 of taken {percentile(taken, 0.5):8.1f} {slow:8.1f} ms")
    print(f"p50, p99 of shed  {percentile(shed, 0.5):8.1f} {percentile(shed, 0.99):8.1f} ms")
    print(f"neither           {wrong:8}")
    print(f"probes            {_failed(alive):8} failed of {len(alive)}, slowest ", end="")
    print(f"{percentile([a.seconds for a in alive], 1):.0f} ms")
    print(f"memory            {grown / 1e6:+8.1f} MB")
    print(f"a second later    {_failed(after):8} failed of {len(after)}")
    hints = all(b"retry-after" in a.head for a in flood if a.status == 503)
    held = (goodput >= 0.8, slow <= 3 * usual, not _failed(alive), not _failed(after), hints)
    return 0 if all(held) and not wrong and grown < 1e8 else 1


async def _probe(target: Instance, seconds: float) -> Sequence[Answer]:
    return await at_rate(5, seconds, lambda due: target.admin.get("/livez", since=due))


def _failed(answers: Sequence[Answer]) -> int:
    return sum(answer.status != 200 for answer in answers)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.overload", description=__doc__)
    parser.add_argument("--of", choices=PATHS, default="core", help="what there is too little of")
    parser.add_argument("--times", type=float, default=3, help="the capacity")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--max-concurrency", type=int, default=200)
    parser.add_argument("--max-lag", type=float, default=0.05)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(uvloop.run(main(_options())))
