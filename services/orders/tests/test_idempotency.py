"""The same order sent twice: one order, one answer, whoever races and whatever breaks."""

import asyncio
import json
import time

from chassis_core import create_app
from chassis_core.testing import running
from orders.api import router
from orders.models import Order
from sqlalchemy import event, func, select, text

TEA = {"items": [{"sku": "tea", "quantity": 1, "unit_price_minor": 100}], "currency": "EUR"}


async def count(database) -> int:
    async with database.session(read_only=True) as session:
        return await session.scalar(select(func.count()).select_from(Order))


async def test_the_same_order_again_is_answered_the_same_without_asking_users(ann, users, database):
    first = await ann.place(key="k1")
    again = await ann.place(key="k1")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["content-type"] == "application/json"
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert len(users.requests) == 1
    assert await count(database) == 1


async def test_a_replay_answers_what_was_answered_then_not_what_is_true_now(ann):
    first = await ann.place(key="k1")
    await ann.cancel(first.json()["id"], first.headers["etag"])
    assert (await ann.place(key="k1")).json()["status"] == "placed"


async def test_the_same_key_with_another_order_is_refused(ann, database, telemetry):
    await ann.place(key="k1")
    other = await ann.place(TEA, key="k1")
    assert other.status_code == 422
    assert other.json()["type"] == "urn:problem-type:idempotency:key-reused"
    assert await count(database) == 1
    assert telemetry.sample("idempotency_requests_total", outcome="mismatch") == 1


async def test_the_same_order_spelled_otherwise_is_the_same_order(ann):
    first = await ann.place(TEA, key="k1")
    body = {"currency": "EUR", "items": [dict(reversed(TEA["items"][0].items()))]}
    again = await ann.place(json.dumps(body, indent=4).encode(), key="k1")
    assert again.content == first.content


async def test_a_key_belongs_to_its_customer(ann, bob, database):
    first, second = await ann.place(key="k1"), await bob.place(key="k1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] != second.json()["id"]
    assert await count(database) == 2


async def test_a_key_may_be_quoted_and_is_the_same_key(ann):
    first = await ann.place(key="k-1")
    assert (await ann.place(key='"k-1"')).content == first.content


async def test_a_malformed_key_is_refused(ann, users):
    for key in ("", "a b", "k" * 256, '"open', "é".encode(), '""', "\t"):
        answer = await ann.send("POST", "/v1/orders", json=TEA, headers={"idempotency-key": key})
        assert answer.status_code == 400, key
        assert answer.json()["type"] == "urn:problem-type:idempotency:key-malformed"
    assert not users.requests


async def test_an_order_without_a_key_is_refused(ann, users):
    answer = await ann.send("POST", "/v1/orders", json=TEA)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:problem-type:idempotency:key-missing"
    assert not users.requests


async def test_two_keys_in_one_request_are_refused(ann):
    headers = [("idempotency-key", "a"), ("idempotency-key", "b")]
    headers += [("authorization", f"Bearer {ann.token}")]
    answer = await ann.http.post("/v1/orders", json=TEA, headers=headers)
    assert answer.status_code == 400


async def test_a_refused_or_failed_order_leaves_its_key_free(ann, users, database):
    assert (await ann.place({"items": []}, key="k1")).status_code == 422
    users.status = 500
    assert (await ann.place(key="k1")).status_code == 502
    users.status = 200
    answer = await ann.place(key="k1")
    assert answer.status_code == 201
    assert "idempotency-replayed" not in answer.headers
    assert await count(database) == 1


async def until(condition, *, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.001)


async def test_twins_that_race_on_two_instances_make_one_order_and_get_one_answer(
    customer, settings, users, database
):
    other = create_app(settings, routers=[router], transport=users)
    async with running(other) as elsewhere:
        pairs = [(customer(f"c{n}"), customer(f"c{n}", elsewhere)) for n in range(20)]
        users.held = asyncio.Event()
        racing = [asyncio.create_task(twin.place(key="k")) for pair in pairs for twin in pair]
        await until(lambda: len(users.requests) == len(racing))
        users.held.set()
        answers = await asyncio.gather(*racing)
    assert [answer.status_code for answer in answers] == [201] * len(racing)
    for one, twin in zip(answers[::2], answers[1::2], strict=True):
        assert one.content == twin.content
        assert ("idempotency-replayed" in one.headers) != ("idempotency-replayed" in twin.headers)
    assert await count(database) == len(pairs)


async def test_a_crash_before_the_commit_leaves_nothing_and_the_retry_executes(
    customer, settings, users, database
):
    crashes = [RuntimeError("power cut")]

    def crash(_connection, _cursor, statement, *_):
        if statement.startswith("UPDATE idempotency_keys") and crashes:
            raise crashes.pop()

    broken = type(database)(settings.database)
    event.listen(broken.engine.sync_engine, "before_cursor_execute", crash)
    app = create_app(settings, routers=[router], transport=users, database=broken)
    async with running(app) as http:
        ann = customer("ann", http)
        assert (await ann.place(key="k1")).status_code == 500
        assert await count(database) == 0
        answer = await ann.place(key="k1")
    assert answer.status_code == 201
    assert "idempotency-replayed" not in answer.headers
    assert await count(database) == 1


async def test_an_expired_key_is_free_and_expired_keys_are_removed(ann, database, telemetry):
    first = await ann.place(key="k1")
    await ann.place(key="k2")
    async with database.session() as session:
        await session.execute(text("UPDATE idempotency_keys SET expires_at = 1"))
    again = await ann.place(key="k1")
    assert again.status_code == 201
    assert again.json()["id"] != first.json()["id"]
    async with database.session(read_only=True) as session:
        left = await session.scalar(text("SELECT count(*) FROM idempotency_keys"))
    assert left == 1
    assert telemetry.sample("idempotency_purged_total") == 1


async def test_no_line_names_a_key_and_no_row_holds_one(ann, database, telemetry):
    await ann.place(key="a-key-of-my-own")
    assert "a-key-of-my-own" not in str(telemetry.lines)
    async with database.session(read_only=True) as session:
        rows = (
            await session.execute(text("SELECT scope, fingerprint FROM idempotency_keys"))
        ).all()
    assert "a-key-of-my-own" not in str(rows)
