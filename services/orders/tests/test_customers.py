"""How often users is asked who a customer is, and what is never kept."""

import asyncio
from typing import Any

import pytest
from chassis_core import create_app
from chassis_core.testing import eventually, running
from orders.api import router
from orders.settings import Settings


def names(page: dict[str, Any]) -> list[str]:
    return [order["customer_name"] for order in page["items"]]


async def test_a_customer_who_places_many_orders_is_asked_about_once(ann, users):
    for _ in range(5):
        assert (await ann.place()).status_code == 201
    assert len(users.requests) == 1


async def test_many_orders_at_once_cause_one_question(ann, users):
    users.held = asyncio.Event()
    placing = [asyncio.create_task(ann.place()) for _ in range(10)]
    await eventually(lambda: users.requests)
    users.held.set()
    assert {answer.status_code for answer in await asyncio.gather(*placing)} == {201}
    assert len(users.requests) == 1


async def test_no_customer_ever_has_the_name_of_another(ann, bob, users):
    await ann.place()
    users.body = {"name": "Bob"}
    await bob.place()
    await ann.place()
    assert set(names(await ann.orders())) == {"Ann"}
    assert names(await bob.orders()) == ["Bob"]
    sent = [request.headers["authorization"] for request in users.requests]
    assert sent == [f"Bearer {ann.token}", f"Bearer {bob.token}"]


@pytest.mark.parametrize("status, answer", [(404, 403), (403, 403), (500, 502), (503, 503)])
async def test_a_refusal_or_a_failure_is_never_kept(ann, users, status, answer):
    users.status = status
    assert (await ann.place(key="k")).status_code == answer
    users.status = 200
    assert (await ann.place(key="k")).status_code == 201


async def test_with_a_ttl_of_zero_users_is_asked_for_each_order(
    settings: Settings, users, customer
):
    told = settings.model_copy(update={"profile_ttl": 0})
    app = create_app(told, routers=[router], transport=users)
    async with running(app) as http:
        ann = customer("ann", http)
        assert (await ann.place()).status_code == 201
        users.status = 404
        assert (await ann.place()).status_code == 403
    assert len(users.requests) == 2


async def test_a_customer_whom_users_no_longer_knows_is_refused_once_the_ttl_is_over(
    settings: Settings, users, customer
):
    told = settings.model_copy(update={"profile_ttl": 0.3})
    app = create_app(told, routers=[router], transport=users)
    async with running(app) as http:
        ann = customer("ann", http)
        assert (await ann.place()).status_code == 201
        users.status = 404
        await asyncio.sleep(0.3)
        assert (await ann.place()).status_code == 403
