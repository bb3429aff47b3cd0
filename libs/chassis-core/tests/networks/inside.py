"""Runs in a network namespace of its own: breaks its loopback and prints what the app answered."""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from typing import Annotated, Any

import httpx2
from chassis_core import Cache, RateLimit, ServiceSettings, create_app
from chassis_core.concerns.clients import ServiceClient, client
from chassis_core.testing import eventually, running
from chassis_core.testing.servers import RedisServer
from fastapi import APIRouter, Depends
from pydantic_settings import SettingsConfigDict

REQUESTS, PACE = 40, 0.03
PATHS = ("/limited", "/cached", "/upstream")
RULES = {
    "dropped": ["DROP"],
    "reset": ["REJECT", "--reject-with", "tcp-reset"],
    "lossy": ["DROP"],
}
router = APIRouter()


@router.get("/limited", dependencies=[Depends(RateLimit("100000/hour"))])
async def limited() -> str:
    return "limited"


@router.get("/cached")
async def cached(cache: Cache) -> str:
    async def load() -> str:
        return "cached"

    return str(await cache.get_or_set("key", 0.2, str, load))


@router.get("/upstream")
async def upstream(users: Annotated[ServiceClient, Depends(client("users"))]) -> int:
    return (await users.get("/")).status_code


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="NETWORKS_")
    name: str = "networks"


def run(*command: str) -> None:
    subprocess.run(command, check=True)


def spoil(fault: str, ports: list[int]) -> None:
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


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


async def ask(http: httpx2.AsyncClient, path: str) -> dict[str, Any]:
    held, statuses = [], Counter()

    async def one() -> None:
        start = time.perf_counter()
        statuses[(await http.get(path)).status_code] += 1
        held.append(time.perf_counter() - start)

    async with asyncio.TaskGroup() as group:
        for _ in range(REQUESTS):
            group.create_task(one())
            await asyncio.sleep(PACE)
    return {"statuses": statuses, "longest": max(held)}


async def ask_all(http: httpx2.AsyncClient) -> dict[str, Any]:
    answers = await asyncio.gather(*(ask(http, path) for path in PATHS))
    return dict(zip(PATHS, answers, strict=True))


async def broken(http: httpx2.AsyncClient, fault: str, ports: list[int]) -> dict[str, Any]:
    spoil(fault, ports)
    found = await ask_all(http)
    repair(fault)

    async def back() -> bool:
        return (await http.get("/upstream")).status_code == 200

    start = time.perf_counter()
    await eventually(back, within=30)
    return found | {"recovered": time.perf_counter() - start}


async def main(faults: list[str]) -> dict[str, Any]:
    run("ip", "link", "set", "lo", "up")
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with RedisServer() as redis:
        settings = Settings(
            redis={"url": redis.url},
            clients={"users": {"url": f"http://127.0.0.1:{port}"}},
            load={"max_slowdown": 1000},
        )
        async with running(create_app(settings, routers=[router])) as http:
            await ask_all(http)
            return {fault: await broken(http, fault, [port, redis.port]) for fault in faults}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1:]))))
