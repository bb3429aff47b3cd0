"""Services under a flood: two with two workers each on one Redis, and one in memory."""

import asyncio
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple

import httpx2
from chassis_core.testing.servers.process import free_port
from dev.ports import answers
from dev.waiting import until

from bench.limiter.app import BURST, SECONDS
from bench.limiter.bound import Hit, used, worst_excess

FLOODERS, CONNECTIONS = 2, 24
PATIENT = 25


class Verdict(NamedTuple):
    """What a service let through.

    Attributes:
        requests: how many were sent.
        excess: the worst of all windows; above 0 is too much.
        used: share of what it could have let through.
        honoured: share of the refused who waited as told and were let in at their first try.
    """

    requests: int
    excess: float
    used: float
    honoured: float


def flood(redis: str, *, seconds: float) -> dict[str, Verdict]:
    """Return the verdict on each service; all are flooded at once."""
    services = {
        "users on Redis": [redis, redis],
        "orders on Redis": [redis, redis],
        "one in memory": [None],
    }
    with ExitStack() as stack:
        urls = {
            service: [stack.enter_context(_worker(service, store)) for store in stores]
            for service, stores in services.items()
        }
        for workers in urls.values():
            for url in workers:
                until(partial(answers, f"{url}/livez"), 60, f"{url} does not answer")
        hits = _flooded(urls, seconds)
        honoured = asyncio.run(_honoured(urls))
    rate = BURST / SECONDS
    return {
        service: Verdict(
            len(hits[service]),
            worst_excess(hits[service], burst=BURST, rate=rate),
            used(hits[service], burst=BURST, rate=rate),
            honoured[service],
        )
        for service in urls
    }


@contextmanager
def _worker(service: str, redis: str | None) -> Iterator[str]:
    port = free_port()
    name = service.partition(" ")[0]
    command = [sys.executable, "-m", "bench.limiter.app", name, str(port)]
    process = subprocess.Popen([*command, redis] if redis else command, stdout=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _flooded(urls: dict[str, list[str]], seconds: float) -> dict[str, list[Hit]]:
    context = multiprocessing.get_context("spawn")
    queue, barrier = context.Queue(), context.Barrier(FLOODERS)
    arguments = (urls, seconds, barrier, queue)
    flooders = [context.Process(target=_flooder, args=arguments) for _ in range(FLOODERS)]
    for flooder in flooders:
        flooder.start()
    parts = [queue.get(timeout=300) for _ in flooders]
    for flooder in flooders:
        flooder.join()
    return {service: [hit for part in parts for hit in part[service]] for service in urls}


def _flooder(urls: dict[str, list[str]], seconds: float, barrier: Any, queue: Any) -> None:
    async def client(http: httpx2.AsyncClient, url: str, found: list[Hit]) -> None:
        while (sent := time.monotonic()) < end:
            answer = await http.get(f"{url}/flooded")
            found.append(Hit(sent, time.monotonic(), answer.status_code))
            await asyncio.sleep(0.05)

    async def run() -> dict[str, list[Hit]]:
        hits: dict[str, list[Hit]] = {service: [] for service in urls}
        async with httpx2.AsyncClient(timeout=30) as http, asyncio.TaskGroup() as group:
            for service, workers in urls.items():
                for number in range(CONNECTIONS // len(urls)):
                    url = workers[number % len(workers)]
                    group.create_task(client(http, url, hits[service]))
        return hits

    barrier.wait()
    end = time.monotonic() + seconds
    queue.put(asyncio.run(run()))


async def _honoured(urls: dict[str, list[str]]) -> dict[str, float]:
    async def patient(workers: list[str]) -> float:
        admitted = await asyncio.gather(*(_waits(workers, number) for number in range(PATIENT)))
        return sum(admitted) / PATIENT

    found = await asyncio.gather(*(patient(workers) for workers in urls.values()))
    return dict(zip(urls, found, strict=True))


async def _waits(urls: list[str], number: int) -> bool:
    transport = httpx2.AsyncHTTPTransport(local_address=f"127.0.1.{number + 1}")
    async with httpx2.AsyncClient(transport=transport, timeout=30) as http:
        while (answer := await http.get(f"{urls[0]}/scarce")).status_code == 200:
            pass
        await asyncio.sleep(int(answer.headers["retry-after"]))
        return (await http.get(f"{urls[-1]}/scarce")).status_code == 200
