"""What becomes of an order when users cannot say who the customer is."""

import httpx2
import pytest

pytestmark = pytest.mark.alone


async def refused(ann, status: int) -> dict:
    answer = await ann.place(key="k1")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await ann.orders())["items"] == []
    return answer.json()


async def test_users_down_is_503(ann, users):
    users.failure = httpx2.ConnectError("refused")
    await refused(ann, 503)


async def test_users_too_slow_is_504_and_the_caller_does_not_wait_for_it(ann, users):
    users.delay = 60
    await refused(ann, 504)


async def test_users_answering_something_else_is_a_gateway_error(ann, users):
    for users.status in (500, 302, 401, 400, 204):
        await refused(ann, 502)


async def test_users_too_busy_is_503(ann, users):
    users.status = 503
    await refused(ann, 503)


async def test_a_caller_whom_users_does_not_know_is_forbidden(ann, users):
    for users.status in (403, 404):
        await refused(ann, 403)


UNUSABLE = [
    b"",
    b"not json",
    b"[]",
    b"{}",
    b'{"name": 1}',
    b'{"name": ""}',
    b'{"name": "a\\u0000b"}',
    b'{"name": "' + b"x" * 201 + b'"}',
    b"\xff",
]


async def test_a_profile_that_cannot_be_used_is_a_gateway_error(ann, users):
    for users.body in UNUSABLE:
        problem = await refused(ann, 502)
        assert "xxx" not in str(problem)


async def test_orders_that_are_there_are_served_while_users_is_down(ann, users):
    placed = await ann.place()
    users.failure = httpx2.ConnectError("refused")
    assert (await ann.get(placed.headers["location"])).status_code == 200
    assert (await ann.place(key="key-1")).headers["idempotency-replayed"] == "true"
    cancelled = await ann.cancel(placed.json()["id"], placed.headers["etag"])
    assert cancelled.status_code == 200
