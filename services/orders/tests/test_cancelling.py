"""Cancelling an order: only the version that the customer has seen."""

import asyncio


async def test_an_order_is_cancelled_and_has_a_new_version(ann, telemetry):
    placed = await ann.place()
    answer = await ann.cancel(placed.json()["id"], placed.headers["etag"])
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "cancelled"
    assert answer.json()["cancelled_at"] >= answer.json()["placed_at"]
    assert answer.headers["etag"] not in {placed.headers["etag"], None}
    read = await ann.get(placed.headers["location"])
    assert (read.json(), read.headers["etag"]) == (answer.json(), answer.headers["etag"])
    (line,) = [line for line in telemetry.lines if line["event"] == "order_cancelled"]
    assert line["order_id"] == placed.json()["id"]


async def test_a_cancellation_that_names_no_version_is_refused(ann):
    placed = await ann.place()
    assert (await ann.cancel(placed.json()["id"], None)).status_code == 428
    assert (await ann.get(placed.headers["location"])).json()["status"] == "placed"


async def test_a_cancellation_of_another_version_is_refused(ann):
    placed = await ann.place()
    for tag in ('"2"', 'W/"1"', '""', '"1-1"'):
        assert (await ann.cancel(placed.json()["id"], tag)).status_code == 412, tag
    assert (await ann.get(placed.headers["location"])).json()["status"] == "placed"


async def test_a_version_that_cannot_be_read_is_refused(ann):
    placed = await ann.place()
    for tag in ("1", '"1', "garbage", '"1" "2"', "*, *"):
        assert (await ann.cancel(placed.json()["id"], tag)).status_code == 400, tag


async def test_any_form_that_names_the_version_is_taken(ann):
    for tag in ("*", '"9", "1"', '"1",', ' "1" '):
        placed = await ann.place()
        assert (await ann.cancel(placed.json()["id"], tag)).status_code == 200, tag


async def test_a_second_cancellation_is_a_conflict_and_with_the_old_version_is_refused(ann):
    placed = await ann.place()
    order_id = placed.json()["id"]
    first = await ann.cancel(order_id, placed.headers["etag"])
    assert (await ann.cancel(order_id, placed.headers["etag"])).status_code == 412
    assert (await ann.cancel(order_id, first.headers["etag"])).status_code == 409
    assert (await ann.get(placed.headers["location"])).json() == first.json()


async def test_of_many_cancellations_at_once_one_succeeds(ann, telemetry):
    placed = await ann.place()
    tag = placed.headers["etag"]
    answers = await asyncio.gather(*(ann.cancel(placed.json()["id"], tag) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 9
    lines = [line for line in telemetry.lines if line["event"] == "order_cancelled"]
    assert len(lines) == 1
