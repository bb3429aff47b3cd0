"""A caller with 300 ms, orders, users, and a database that would take far longer."""

import time
from uuid import uuid4

import asyncpg
import pytest
from dev.trace import await_trace
from dev.visitor import ORDER, Visitor

BUDGET = 0.3
LATE = 0.3
"""Seconds that a busy machine may take to end what is over."""


@pytest.mark.parametrize("platform", ["postgresql and redis"], indirect=True)
async def test_nothing_works_on_in_any_process_after_the_deadline_of_the_caller(platform, outside):
    with Visitor(platform.record()["urls"]) as visitor:
        visitor.register("Ada")
        token = visitor.log_in()
    headers = {
        "Authorization": f"Bearer {token}",
        "Idempotency-Key": str(uuid4()),
        "X-Request-Deadline-Ms": str(int(BUDGET * 1000)),
    }
    http = outside.client()
    http.get(f"{outside.orders}/none")
    database = await asyncpg.connect(dsn(platform.environment["USERS_DATABASE__URL"]))
    try:
        async with database.transaction():
            await database.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
            start = time.monotonic()
            refused = http.post(f"{outside.orders}/v1/orders", json=ORDER, headers=headers)
            held = time.monotonic() - start
            waiting = await waiting_queries(database)
    finally:
        await database.close()
    assert refused.status_code == 504
    assert held < BUDGET + LATE
    trace_id = refused.json()["trace_id"]
    spans = await_trace(platform.collector.url, trace_id, {"orders", "users"})
    first = min(span.start for span in spans)
    ends = {f"{span.service} {span.name}": (span.end - first) / 1e9 for span in spans}
    print({name: f"{end * 1000:.0f} ms" for name, end in ends.items()}, f"answer {held:.3f} s")
    assert max(ends.values()) < BUDGET + LATE
    assert waiting == 0


async def waiting_queries(database):
    """Return how many backends still wait for our lock, a moment after the answer."""
    end = time.monotonic() + LATE
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    while (count := await database.fetchval(query)) and time.monotonic() < end:
        await database.execute("SELECT pg_sleep(0.02)")
    return count


def dsn(url):
    return url.replace("postgresql+asyncpg://", "postgresql://")
