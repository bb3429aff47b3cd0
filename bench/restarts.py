"""How soon a killed service is back: `python -m bench.restarts`.

An instance of orders on PostgreSQL and Redis is killed and started again at once, as a supervisor
does it, while the other one serves. Exit code 1: it took longer until it was ready, or the other
one failed a request meanwhile.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

import httpx2
from chassis_core.testing.servers import Missing

from bench.orders_chaos.stack import Replica, Stack, opened


def main() -> int:
    options = _options()
    # In an image all code is compiled; here the first start, which is not measured, does it.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="restarts-") as folder:
        try:
            with opened(Path(folder), customers=1) as stack:
                return asyncio.run(_run(stack, options))
        except Missing as missing:
            print(f"restarts: {missing}", file=sys.stderr)
            return 2


async def _run(stack: Stack, options: argparse.Namespace) -> int:
    killed, other = stack.orders
    failed = 0
    took = []
    for _ in range(options.kills):
        restarting = asyncio.create_task(_restart(killed))
        while not restarting.done():
            failed += await _ask(other, stack.tokens[0]) != 200
            await asyncio.sleep(0.1)
        took.append(await restarting)
    seconds = ", ".join(f"{each:.2f}" for each in took)
    print(f"killed {len(took)} times; ready {seconds} s after the start")
    print(f"requests of the other instance that failed: {failed}")
    return 1 if failed or max(took) > options.within else 0


async def _restart(instance: Replica) -> float:
    instance.kill()
    began = time.monotonic()
    instance.start()
    await instance.ready()
    return time.monotonic() - began


async def _ask(instance: Replica, token: str) -> int:
    async with httpx2.AsyncClient(timeout=10) as http:
        headers = {"authorization": f"Bearer {token}"}
        return (await http.get(f"{instance.url}/v1/orders", headers=headers)).status_code


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.restarts", description=__doc__)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--within", type=float, default=3, help="seconds from start to ready")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
