"""Whether the log tells requests apart: `python -m bench.told_apart`.

Requests that log in the handler, in a streamed answer and in a background task come at 200 a
second, each with an id and a mark of its own; every fifth client leaves in the middle. Exit code 1:
an answer has another's id, a line mixes two requests, a request has not its one access line, or the
counters do not add up.
"""

import argparse
import asyncio
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import uvloop

from bench.client import Answer, Client, at_rate
from bench.instance import Instance

LINES = Counter({"began": 1, "streamed": 3, "after": 1, "request": 1})
LEAVES = 5
"""Of so many clients one leaves in the middle."""
COUNT = "http_server_request_duration_seconds_count"
Line = Mapping[str, Any]


async def main(options: argparse.Namespace) -> int:
    async with Instance() as target:
        client, numbers = Client(target.port), iter(range(sys.maxsize))

        async def visit(due: float) -> tuple[int, Answer | None]:
            number = next(numbers)
            if number % LEAVES == 0:
                return number, await _leave(target.port, number)
            identity = f"X-Request-ID: id-{number}\r\n".encode()
            return number, await client.get(f"/told/{number}", headers=identity, since=due)

        answers = dict(await at_rate(options.rate, options.requests / options.rate, visit))
        samples = await _settled(target)
        lines = target.lines()
    faults = _judge(answers, lines) | _add_up(samples, lines)
    print(f"{len(answers)} requests, {len(lines)} lines")
    for fault, count in faults.items():
        print(f"{count:6} {fault}")
    return 1 if any(faults.values()) else 0


async def _leave(port: int, number: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"GET /told/{number} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-ID: id-{number}\r\n\r\n"
    writer.write(head.encode())
    await asyncio.sleep(random.uniform(0, 0.008))
    writer.transport.abort()


async def _settled(target: Instance) -> Mapping[str, float]:
    """Return the metrics when nothing is under way and no line has come for a moment."""
    end, before = time.monotonic() + 30, -1
    while (samples := await target.samples())["load_in_flight_requests"] or before != len(
        target.lines()
    ):
        if time.monotonic() > end:
            raise SystemExit("the target did not come to rest")
        before = len(target.lines())
        await asyncio.sleep(0.2)
    return samples


def _judge(answers: Mapping[int, Answer | None], lines: Sequence[Line]) -> dict[str, int]:
    by_id: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if "request_id" in line:
            by_id[line["request_id"]].append(line)
    found: Counter[str] = Counter()
    for number, answer in answers.items():
        own = by_id.get(f"id-{number}", [])
        events = Counter(line["event"] for line in own)
        marks = {line["mark"] for line in own if "mark" in line}
        found["lines mixed"] += bool(marks - {str(number)})
        found["traces mixed"] += len({line["trace_id"] for line in own}) > 1
        found["access lines too many"] += events["request"] > 1
        if answer is not None:
            echoed = f"\r\nx-request-id: id-{number}\r\n".encode() in answer.head.lower()
            found["answers without their id"] += not echoed
            found["lines missing"] += events != LINES
    traces = Counter(line["trace_id"] for own in by_id.values() for line in own[:1])
    found["traces shared"] = sum(count > 1 for count in traces.values())
    return dict(found)


def _add_up(samples: Mapping[str, float], lines: Sequence[Line]) -> dict[str, int]:
    counted = sum(int(count) for name, count in samples.items() if name.startswith(COUNT))
    logged = sum(line["event"] == "request" for line in lines)
    return {"requests counted and not logged, or logged and not counted": abs(counted - logged)}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.told_apart", description=__doc__)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--rate", type=float, default=200)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(uvloop.run(main(_options())))
