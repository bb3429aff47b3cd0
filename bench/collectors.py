"""What a collector that is away costs: `python -m bench.collectors`.

Four instances, two whose collector is up, one whose refuses and one whose hangs, are asked in turn
at a steady rate for five minutes, so that whatever else this machine does slows all four; by how
much the first two differ is noise. Exit code 1: without a collector the 99th percentile is higher
than that of both or memory grows more, or a span is lost and not counted.
"""

import argparse
import gc
import itertools
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from socket import create_server
from typing import NamedTuple

import uvloop
from chassis_core.testing.servers.process import free_port
from dev.collector import Collector

from bench.client import Answer, Client, at_rate, p99
from bench.instance import Instance

QUEUE, BATCH = 512, 128
"""Spans that an instance keeps, and sends at once."""


class Found(NamedTuple):
    """What one instance did: its answers, the bytes that its memory grew by, its spans by fate."""

    answers: list[Answer]
    grown: int
    spans: Mapping[str, int]


async def main(options: argparse.Namespace) -> int:
    gc.disable()  # A pause of this process would be taken for one of theirs.
    async with AsyncExitStack() as stack:
        instances = {
            name: await stack.enter_async_context(Instance({}, _telling(url)))
            for name, url in _collectors(stack).items()
        }
        found = await _load(instances, options)
    usual = max(p99(found[name].answers) for name in ("up", "up too"))
    held = []
    for name, (answers, grown, spans) in found.items():
        failed = sum(answer.status != 200 for answer in answers)
        slow = p99(answers)
        print(f"{name:8} {len(answers)} requests, {failed} failed, p99 {slow:.1f} ms", end="")
        print(f" ({slow / usual - 1:+.1%}), {grown / 1e6:+.1f} MB, spans {dict(spans)}")
        lost = spans["dropped"] + spans["failed"]
        counted = lost == 0 if name.startswith("up") else lost >= len(answers) - QUEUE - BATCH
        more = (grown - found["up"].grown) / 1e6
        small = slow <= usual * options.p99 and more <= options.grown
        held += [not failed, counted, small]
    return 0 if all(held) else 1


def _collectors(stack: AsyncExitStack) -> dict[str, str]:
    up = stack.enter_context(Collector())
    hanging = stack.enter_context(create_server(("127.0.0.1", 0)))
    ports = {"refuses": free_port(), "hangs": hanging.getsockname()[1]}
    return {
        "up": up.url,
        "up too": up.url,
        **{name: f"http://127.0.0.1:{port}" for name, port in ports.items()},
    }


def _telling(url: str) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_BSP_MAX_QUEUE_SIZE": str(QUEUE),
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": str(BATCH),
    }


async def _load(instances: Mapping[str, Instance], options: argparse.Namespace) -> dict[str, Found]:
    turns = itertools.cycle([(name, Client(each.port)) for name, each in instances.items()])

    async def visit(due: float) -> tuple[str, Answer]:
        name, client = next(turns)
        return name, await client.get("/ping", since=due)

    # By then everything is loaded, and every queue full.
    early = list(await at_rate(options.rate, options.seconds / 3, visit))
    before = {name: each.memory() for name, each in instances.items()}
    late = list(await at_rate(options.rate, options.seconds * 2 / 3, visit))
    return {
        name: Found(
            [answer for by, answer in early + late if by == name],
            each.memory() - before[name],
            await _spans(each),
        )
        for name, each in instances.items()
    }


async def _spans(instance: Instance) -> dict[str, int]:
    samples = await instance.samples()
    fates = ("exported", "failed", "dropped")
    return {fate: int(samples[f'tracing_spans_total{{outcome="{fate}"}}']) for fate in fates}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.collectors", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--rate", type=float, default=200, help="requests a second, of all four")
    parser.add_argument(
        "--p99", type=float, default=1.05, help="times that of the first two, at most"
    )
    parser.add_argument(
        "--grown", type=float, default=5, help="megabytes that memory may grow more"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(uvloop.run(main(_options())))
