"""Proves the bars of the limiter and prints their figures: `uv run python -m bench.limiter`.

Everything runs on loopback, on a Redis of its own. `--quick` is what the tests run. The comparison
needs the `limits` library: `uv sync --all-packages --group bench`.
"""

import argparse
import asyncio
import sys
from importlib.util import find_spec

from chassis_core.testing.servers import Missing, RedisServer

from bench.limiter.exact import exact
from bench.limiter.flood import flood
from bench.limiter.keys import in_process, on_redis

FAILED: list[str] = []


def bar(name: str, figure: str, *, met: bool) -> None:
    """Print a figure, and remember a bar that is not met."""
    print(f"{'ok  ' if met else 'FAIL'} {name}: {figure}", flush=True)
    if not met:
        FAILED.append(name)


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
        _exact(server.url, 5 if quick else 20)
        _flood(server.url, quick=quick)
        _keys(server.url, quick=quick)
        if quick or find_spec("limits") is None:
            print("left out: the comparison, which is long and needs the limits library")
        else:
            asyncio.run(_compare(server.url))
    return 1 if FAILED else 0


def _exact(url: str, repetitions: int) -> None:
    counts = exact(url, repetitions=repetitions)
    over = max(counts) - 100
    figure = f"over-admission {over}, in {repetitions} repetitions {sorted(set(counts))} of 100"
    name = "4 processes x 64 clients on one key, clocks an hour apart"
    bar(name, figure, met=set(counts) == {100})


def _flood(url: str, *, quick: bool) -> None:
    # A short run on a busy machine ends with more of its budget unused.
    seconds, least = (4, 0.8) if quick else (10, 0.95)
    for service, verdict in flood(url, seconds=seconds).items():
        figure = (
            f"worst excess {verdict.excess:.1f}, {verdict.used:.1%} of the budget used,"
            f" {verdict.honoured:.0%} let in after Retry-After ({verdict.requests} requests)"
        )
        met = verdict.excess <= 0 and verdict.used >= least and verdict.honoured >= 0.99
        bar(f"flood of {service}", figure, met=met)


def _keys(url: str, *, quick: bool) -> None:
    count = 200_000 if quick else 1_000_000
    kept = 20_000 if quick else 100_000
    found = in_process(count, max_keys=kept)
    figure = (
        f"{found.early:.1f} us a hit early, {found.late:.1f} late; {found.kept} kept,"
        f" {found.grown:.0f} MiB"
    )
    met = found.late < 3 * found.early and found.kept <= kept and found.grown < kept * 500 / 2**20
    bar(f"{count} keys in a process that keeps {kept}", figure, met=met)
    there = asyncio.run(on_redis(url, 2000 if quick else 10_000))
    figure = f"{there.keys} keys of {there.size} bytes; {there.left} left after two windows"
    met = there.left == 0 and there.keys <= 10_000 and there.size <= 200
    bar("addresses on Redis", figure, met=met)


async def _compare(url: str) -> None:
    from bench.limiter import compare

    for keys in (1, 50_000):
        for name, each in (await compare.speed(url, hits=3000, keys=keys)).items():
            print(
                f"     {name:15} {each['memory']:8.1f} us in memory ({keys} keys),"
                f" {each['redis']:6.0f} us on Redis"
            )
    for name, excess in (await compare.edge(url)).items():
        figure = f"worst excess {excess:.1f} at the edge of a window"
        if name == "ours":
            bar("ours", figure, met=excess <= 0)
        else:
            print(f"     {name:15} {figure}")


if __name__ == "__main__":
    sys.exit(main())
