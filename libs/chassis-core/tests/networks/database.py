"""Runs in a network namespace of its own: breaks the way to PostgreSQL, and prints what the app
answered."""

import asyncio
import json
import sys
import time
from typing import Any

import httpx2
from chassis_core import ServiceSettings, Session, create_app
from chassis_core.testing import eventually, running
from chassis_core.testing.servers import PostgresServer
from fastapi import APIRouter, Request
from faults import ask, ask_all, begin, repair, spoil
from prometheus_client import CollectorRegistry
from pydantic_settings import SettingsConfigDict
from sqlalchemy import literal, select, text

ROUTES, PROBES = ("/read", "/fresh"), ("/livez", "/readyz")
USED = {"db_client_connection_state": "used"}
router = APIRouter()


@router.get("/read")
async def read(session: Session) -> int | None:
    return await session.scalar(select(literal(1)))


@router.get("/fresh")
async def fresh(request: Request) -> int | None:
    """Read by a connection that is not kept, so that the next has to be opened."""
    async with request.state.database.engine.connect() as connection:
        found: int | None = await connection.scalar(text("SELECT 1"))
        await connection.invalidate()
    return found


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="NETWORKS_")
    name: str = "networks"


async def broken(http: httpx2.AsyncClient, fault: str, port: int) -> dict[str, Any]:
    spoil(fault, [port])
    routes, probes = await asyncio.gather(
        ask_all(http, ROUTES, times=40, pace=0.1), ask_all(http, PROBES, times=40, pace=0.1)
    )
    repair(fault)

    async def back() -> bool:
        paths = (*ROUTES, "/readyz")
        return {(await http.get(path)).status_code for path in paths} == {200}

    start = time.perf_counter()
    await eventually(back, within=30)
    recovered = time.perf_counter() - start
    return routes | probes | {"recovered": recovered, "after": await ask(http, "/read")}


async def main(faults: list[str]) -> dict[str, Any]:
    begin()
    registry = CollectorRegistry()
    with PostgresServer() as postgres:
        settings = Settings(
            database={"url": postgres.url},
            rate_limit={"default": None},
            load={"max_slowdown": 1000},
        )
        app = create_app(settings, routers=[router], registry=registry)
        async with running(app, timeout=60) as http:
            await ask_all(http, (*ROUTES, *PROBES))
            found: dict[str, Any] = {}
            for fault in faults:
                found[fault] = await broken(http, fault, postgres.port)
                found[fault]["used"] = registry.get_sample_value("db_client_connection_count", USED)
        return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1:]))))
