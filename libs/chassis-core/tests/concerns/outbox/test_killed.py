"""Relay and consumer are killed over and over while events are written: nothing is lost."""

import asyncio
import itertools
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from chassis_core.testing import eventually
from sqlalchemy import text

from .conftest import count, published

pytestmark = [pytest.mark.alone, pytest.mark.e2e]

KILLS, SUBJECTS = 10, 6
NURSERY = """
import asyncio, os, random, signal, sys
from chassis_core.concerns.database import Database, DatabaseSettings
from chassis_core.concerns.outbox import *
from chassis_core.concerns.redis import Redis, RedisSettings
from prometheus_client import Counter
from sqlalchemy import text

database_url, redis_url = sys.argv[1:]
done = text("INSERT INTO done (subject, number) VALUES (:subject, :number)")

async def handle(event, session):
    await session.execute(done, {"subject": event.subject, "number": event.data})

def slowed(call, most):
    # So that many a kill comes after Redis has done its part, and before the database has.
    async def slow(*arguments):
        answer = await call(*arguments)
        await asyncio.sleep(random.uniform(0, most))
        return answer

    return slow

async def main(kind, parent):
    database = Database(DatabaseSettings(url=database_url, pool_size=2))
    store = Redis(RedisSettings(url=redis_url, timeout=2))
    await store.open()
    settings = OutboxSettings(enabled=True, poll=0.02, batch=5, attempts=100)
    if kind == "relay":
        store.evaluate = slowed(store.evaluate, 0.06)
        stream = Stream(store, "test:events", length=1_000_000)
        made = Relay(settings, database=database, stream=stream, source="/test")
    else:
        store.evaluate = slowed(store.evaluate, 0.004)
        outcomes = Counter("events", "", ["stream", "group", "outcome"])
        own = Subscription("test:events", "readers", handle)
        made = Consumer(own, settings, database=database, store=store, outcomes=outcomes)
    async with made.worker.running():
        print(os.getpid(), flush=True)
        while os.getppid() == parent:
            await asyncio.sleep(0.2)

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
parent = os.getpid()
print("ready", flush=True)
for kind in sys.stdin:
    if not os.fork():
        asyncio.run(main(kind.strip(), parent))
        os._exit(0)
"""


@asynccontextmanager
async def nursery(*urls: str) -> AsyncIterator[Callable[[str], Awaitable[int]]]:
    """Yield what starts a process that is ready to work, for it has imported everything."""
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-c", NURSERY, *urls]
    inner = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)

    async def start(kind: str) -> int:
        inner.stdin.write(f"{kind}\n".encode())
        return int(await inner.stdout.readline())

    try:
        await inner.stdout.readline()
        yield start
    finally:
        inner.stdin.close()
        await inner.wait()


async def kill_often(start: Callable[[str], Awaitable[int]], kind: str) -> None:
    for _ in range(KILLS):
        process = await start(kind)
        await asyncio.sleep(random.uniform(0.05, 0.6))
        os.kill(process, signal.SIGKILL)


async def write(database, outbox, subject: str, until: asyncio.Event) -> int:
    for number in itertools.count():
        if until.is_set():
            return number
        async with database.session() as session:
            await outbox.add(session, "thing.changed", subject=subject, data=number)
        await asyncio.sleep(random.uniform(0, 0.06))
    raise AssertionError


async def test_nothing_is_lost_or_done_twice_or_out_of_order(
    postgres, postgres_url, redis_url, outbox, store
):
    async with postgres.session() as session:
        table = "id SERIAL PRIMARY KEY, subject VARCHAR(10), number INTEGER"
        await session.execute(text(f"CREATE TABLE done ({table})"))
    urls, subjects = [postgres_url, redis_url], [f"s{n}" for n in range(SUBJECTS)]
    kinds, until = ("relay", "consumer"), asyncio.Event()
    # A nursery for each, so that a process is told by its answer.
    async with nursery(*urls) as relays, nursery(*urls) as consumers:
        starts = dict(zip(kinds, (relays, consumers), strict=True))
        writers = [asyncio.create_task(write(postgres, outbox, each, until)) for each in subjects]
        await asyncio.gather(*(kill_often(starts[kind], kind) for kind in kinds))
        until.set()
        written = dict(zip(subjects, await asyncio.gather(*writers), strict=True))
        left = await count(postgres, "outbox_events")
        for kind in kinds:
            await starts[kind](kind)
        await eventually(lambda: _done(postgres, sum(written.values())), within=60)

    entries = await published(store)
    seen = [(e["id"], e["subject"].decode(), int(e["data"])) for e in entries]
    once = list(dict.fromkeys(seen))
    repeated = len(seen) - len(once)
    for subject in subjects:
        assert [number for _, of, number in once if of == subject] == list(range(written[subject]))
    async with postgres.session(read_only=True) as session:
        done = (await session.execute(text("SELECT subject, number FROM done ORDER BY id"))).all()
    assert len(done) == sum(written.values())
    for subject in subjects:
        assert [number for of, number in done if of == subject] == list(range(written[subject]))
    assert await count(postgres, "outbox_events") == 0
    assert repeated > 0, "no kill came at a bad moment: the test has shown nothing"
    print(
        f"{KILLS} kills of each: {len(once)} events, {left} waited at the end of the kills,"
        f" {repeated} published twice, 0 lost, 0 done twice"
    )


async def _done(database, expected: int) -> bool:
    return await count(database, "done") >= expected
