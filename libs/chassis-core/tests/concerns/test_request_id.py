from uuid import UUID

import pytest
from chassis_core import compose
from chassis_core.concerns.request_id import request_id
from chassis_core.context import current
from chassis_core.testing import running
from fastapi import APIRouter

router = APIRouter()


@router.get("/id")
async def seen() -> str | None:
    context = current()
    return context.request_id if context else None


@pytest.fixture
def app():
    return compose([request_id()], routers=[router])


async def test_a_harmless_id_of_the_caller_is_kept_and_answered(app):
    async with running(app) as client:
        answer = await client.get("/id", headers={"x-request-id": "Order.7_a-b"})
    assert answer.headers["x-request-id"] == "Order.7_a-b" == answer.json()


@pytest.mark.parametrize(
    "hostile",
    [b"", b"a b", b"x" * 129, b"caf\xe9", b"\xff\xfe", b"a\tb", b"a;b", b'"a"', b"${jndi:x}"],
)
async def test_an_id_that_could_harm_a_log_is_replaced_by_a_uuid7(app, hostile):
    async with running(app) as client:
        answer = await client.get("/id", headers=[(b"x-request-id", hostile)])
    assert answer.status_code == 200
    assert UUID(answer.headers["x-request-id"]).version == 7


async def test_an_id_sent_twice_is_replaced(app):
    async with running(app) as client:
        answer = await client.get("/id", headers=[("x-request-id", "a"), ("x-request-id", "b")])
    assert answer.headers["x-request-id"] not in {"a", "b", "a, b"}


async def test_every_request_gets_an_id_of_its_own(app):
    async with running(app) as client:
        ids = [(await client.get("/id")).headers["x-request-id"] for _ in range(20)]
    assert len(set(ids)) == 20
    assert ids == sorted(ids, key=lambda i: UUID(i).int >> 80)
