"""Proves the bars of the limiter and prints their figures: `python -m bench.limiter`.

Everything runs on loopback, on a Redis of its own. `--quick` is what the tests run. The comparison
needs the `limits` library: `uv sync --all-packages --group bench`.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from importlib.util import find_spec

from chassis_core.testing.servers import Missing, RedisServer

from bench.limiter.exact import LIMIT, exact
from bench.limiter.flood import flood
from bench.limiter.keys import in_process, on_redis


def bar(name: str, figure: str, *, met: bool) -> bool:
    """Print a figure, and return whether it meets its bar."""
    print(f"{'ok  ' if met else 'FAIL'} {name}: {figure}", flush=True)
    return met


def main() -> int:
    """Run every part."""
    parser = argparse.ArgumentParser(prog="bench.limiter", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything")
    quick = parser.parse_args().quick
    try:
        server = RedisServer()
    except Missing as missing:
        print(f"bench: {missing}", file=sys.stderr)
        return 2
    with server:
        met = [
            _exact(server.url, 5 if quick else 20),
            *_flood(server.url, quick=quick),
            *_keys(server.url, quick=quick),
        ]
        if quick or find_spec("limits") is None:
            print("left out: the comparison, which is long and needs the limits library")
        else:
            met.append(asyncio.run(_compare(server.url)))
    return 0 if all(met) else 1


def _exact(url: str, repetitions: int) -> bool:
    counts = exact(url, repetitions=repetitions)
    over = max(counts) - LIMIT
    figure = f"over-admission {over}, in {repetitions} repetitions {sorted(set(counts))} of {LIMIT}"
    name = "4 processes x 64 clients on one key, clocks an hour apart"
    return bar(name, figure, met=set(counts) == {LIMIT})


def _flood(url: str, *, quick: bool) -> Iterator[bool]:
    # A short run on a busy machine ends with more of its budget unused.
    seconds, least = (4, 0.8) if quick else (10, 0.95)
    for service, verdict in flood(url, seconds=seconds).items():
        figure = (
            f"worst excess {verdict.excess:.1f}, {verdict.used:.1%} of the budget used,"
            f" {verdict.honoured:.0%} let in after Retry-After ({verdict.requests} requests)"
        )
        met = verdict.excess <= 0 and verdict.used >= least and verdict.honoured >= 0.99
        yield bar(f"flood of {service}", figure, met=met)


def _keys(url: str, *, quick: bool) -> Iterator[bool]:
    count = 200_000 if quick else 1_000_000
    kept = 20_000 if quick else 100_000
    found = in_process(count, max_keys=kept)
    figure = (
        f"{found.early:.1f} us a hit early, {found.late:.1f} late; {found.kept} kept,"
        f" {found.grown:.0f} MiB"
    )
    met = found.late < 3 * found.early and found.kept <= kept and found.grown < kept * 500 / 2**20
    yield bar(f"{count} keys in a process that keeps {kept}", figure, met=met)
    there = asyncio.run(on_redis(url, 2000 if quick else 10_000))
    figure = f"{there.keys} keys of {there.size} bytes; {there.left} left after two windows"
    met = there.left == 0 and there.keys <= 10_000 and there.size <= 200
    yield bar("addresses on Redis", figure, met=met)


async def _compare(url: str) -> bool:
    from bench.limiter import compare

    met = True
    for keys in (1, 50_000):
        for name, each in (await compare.speed(url, hits=3000, keys=keys)).items():
            print(
                f"     {name:15} {each['memory']:8.1f} us in memory ({keys} keys),"
                f" {each['redis']:6.0f} us on Redis"
            )
    for name, excess in (await compare.edge(url)).items():
        figure = f"worst excess {excess:.1f} at the edge of a window"
        if name == "ours":
            met = bar("ours", figure, met=excess <= 0)
        else:
            print(f"     {name:15} {figure}")
    return met


if __name__ == "__main__":
    sys.exit(main())
