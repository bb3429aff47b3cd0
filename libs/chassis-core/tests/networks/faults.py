"""What goes wrong on the loopback of the network namespace that this runs in, and who is asked."""

import asyncio
import subprocess
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

import httpx2

RULES = {
    "dropped": ["DROP"],
    "reset": ["REJECT", "--reject-with", "tcp-reset"],
    "lossy": ["DROP"],
}


def run(*command: str) -> None:
    subprocess.run(command, check=True)


def begin() -> None:
    """Make the loopback work; a namespace starts without."""
    run("ip", "link", "set", "lo", "up")


def spoil(fault: str, ports: Iterable[int]) -> None:
    """Break the way to these ports."""
    if fault == "narrow":
        shape = ["tbf", "rate", "1mbit", "burst", "32kbit", "latency", "400ms"]
        run("tc", "qdisc", "add", "dev", "lo", "root", *shape)
        return
    some = ["-m", "statistic", "--mode", "random", "--probability", "0.05"]
    for port in ports:
        match = ["-p", "tcp", "--dport", str(port), *(some if fault == "lossy" else [])]
        run("iptables", "-A", "INPUT", *match, "-j", *RULES[fault])


def repair(fault: str) -> None:
    if fault == "narrow":
        run("tc", "qdisc", "del", "dev", "lo", "root")
    else:
        run("iptables", "-F")


async def ask(
    http: httpx2.AsyncClient, path: str, *, times: int = 40, pace: float = 0.03
) -> dict[str, Any]:
    """Ask so often, at a steady pace, and tell what came back."""
    held, statuses = [], Counter()
    begun, refused, unexplained = time.perf_counter(), None, 0

    async def one() -> None:
        nonlocal refused, unexplained
        start = time.perf_counter()
        answer = await http.get(path)
        statuses[answer.status_code] += 1
        held.append(time.perf_counter() - start)
        if answer.status_code == 503:
            refused = refused or time.perf_counter() - begun
            unexplained += "retry-after" not in answer.headers

    async with asyncio.TaskGroup() as group:
        for _ in range(times):
            group.create_task(one())
            await asyncio.sleep(pace)
    return {
        "statuses": statuses,
        "longest": max(held),
        "first 503": refused,
        "503 without Retry-After": unexplained,
    }


async def ask_all(
    http: httpx2.AsyncClient, paths: Iterable[str], **how: Any
) -> dict[str, dict[str, Any]]:
    found = await asyncio.gather(*(ask(http, path, **how) for path in paths))
    return dict(zip(paths, found, strict=True))
