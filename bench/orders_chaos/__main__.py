"""Places orders while everything fails: `python -m bench.orders_chaos --orders 2000 --kills 10`.

Two clients race with each idempotency key, one at each instance of orders, until both have been
answered 201. Meanwhile PostgreSQL is killed, its connections ended, an instance of orders killed
and Redis killed, in turn, one every two seconds. Exits with 1 if an order was lost, doubled or
answered in two ways, or a request was answered with any other 5xx than 503, or too late.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from chassis_core.testing.servers import Missing

from bench.orders_chaos import faults
from bench.orders_chaos.clients import Clients
from bench.orders_chaos.stack import Stack, opened
from bench.orders_chaos.verdict import judge


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        try:
            with opened(options.logs or Path(folder)) as stack:
                return asyncio.run(_run(stack, options))
        except Missing as missing:
            print(f"orders_chaos: {missing}", file=sys.stderr)
            return 2


async def _run(stack: Stack, options: argparse.Namespace) -> int:
    orders, kills = options.orders, options.kills
    clients = Clients([instance.port for instance in stack.orders], stack.tokens)
    start = time.monotonic()
    _, injected = await asyncio.gather(
        clients.place(orders, per_second=options.rate), faults.inject(stack, kills)
    )
    verdict = judge(clients.answers, orders, stack.database, options.slowest)
    print(f"{orders} orders, each sent by 2 racing clients, in {time.monotonic() - start:.0f} s")
    print("faults:", ", ".join(f"{name} {count}" for name, count in injected.items()))
    print(f"{verdict.requests} requests, by status:", verdict.statuses, "(0: no answer)")
    print(f"latency: median {verdict.median * 1000:.0f} ms; the slowest:")
    print(f"  (the clients themselves were late by up to {clients.lag.greatest:.2f} s)")
    for answer in verdict.slowest:
        print(f"  {answer.seconds:.2f} s: {answer.status} {answer.body[:160].decode()}")
    print(f"{verdict.orders} orders in the database")
    for violation, count in verdict.violations.items():
        print(f"{count:5} {violation}")
    return 1 if any(verdict.violations.values()) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.orders_chaos", description=__doc__)
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=25, help="orders a second")
    parser.add_argument("--kills", type=int, default=10, help="of PostgreSQL; the others as often")
    parser.add_argument("--slowest", type=float, default=3, help="seconds a request may take")
    parser.add_argument("--logs", type=Path, help="folder for the services' output, kept")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
