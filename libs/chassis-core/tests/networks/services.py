"""Runs in a network namespace of its own: breaks the way to Redis and another service, and prints
what the app answered."""

import asyncio
import json
import sys
import time
from typing import Annotated, Any

import httpx2
from chassis_core import Cache, RateLimit, ServiceSettings, create_app
from chassis_core.concerns.clients import ServiceClient, client
from chassis_core.testing import eventually, running
from chassis_core.testing.servers import RedisServer
from fastapi import APIRouter, Depends
from faults import ask_all, begin, repair, spoil
from pydantic_settings import SettingsConfigDict

PATHS = ("/limited", "/cached", "/upstream")
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


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


async def broken(http: httpx2.AsyncClient, fault: str, ports: list[int]) -> dict[str, Any]:
    spoil(fault, ports)
    found = await ask_all(http, PATHS)
    repair(fault)

    async def back() -> bool:
        return (await http.get("/upstream")).status_code == 200

    start = time.perf_counter()
    await eventually(back, within=30)
    return found | {"recovered": time.perf_counter() - start}


async def main(faults: list[str]) -> dict[str, Any]:
    begin()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with RedisServer() as redis:
        settings = Settings(
            redis={"url": redis.url},
            clients={"users": {"url": f"http://127.0.0.1:{port}"}},
            load={"max_slowdown": 1000},
        )
        async with running(create_app(settings, routers=[router])) as http:
            await ask_all(http, PATHS)
            return {fault: await broken(http, fault, [port, redis.port]) for fault in faults}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1:]))))
