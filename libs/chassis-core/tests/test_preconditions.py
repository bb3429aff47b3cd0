"""Entity tags and the conditions made with them, case by case (RFC 9110 §13)."""

import time

import pytest
from chassis_core import compose
from chassis_core.concerns.errors import errors
from chassis_core.preconditions import IfMatch, IfNoneMatch, etag
from chassis_core.testing import running
from fastapi import APIRouter

CURRENT = etag("a", 2)


def app():
    router = APIRouter()

    @router.put("/thing")
    async def put(condition: IfMatch) -> str:
        condition.require(CURRENT)
        return "changed"

    @router.get("/thing")
    async def get(condition: IfNoneMatch) -> bool:
        return condition.holds(CURRENT)

    return compose([errors()], routers=[router])


def test_a_tag_is_strong_and_made_of_its_parts():
    assert CURRENT == '"a-2"'


@pytest.mark.parametrize(
    "lines, status",
    [
        ([], 428),
        ([""], 428),
        (['"a-2"'], 200),
        (["*"], 200),
        (['"x", "a-2"'], 200),
        (['"x"', '"a-2"'], 200),
        ([',"x" ,, "a-2",'], 200),
        (['W/"a-2"'], 412),
        (['"x"'], 412),
        (['"x, a-2"'], 400),
        (["a-2"], 400),
        (['"a-2'], 400),
        (['"a-2" "x"'], 400),
        (['w/"a-2"'], 400),
        (['*, "a-2"'], 400),
    ],
    ids=str,
)
async def test_a_change_is_made_to_the_version_that_is_meant_or_to_none(lines, status):
    async with running(app()) as http:
        answer = await http.put("/thing", headers=[("if-match", line) for line in lines])
        assert answer.status_code == status


@pytest.mark.parametrize(
    "lines, known",
    [
        ([], False),
        (['"a-2"'], True),
        (['W/"a-2"'], True),
        (["*"], True),
        (['"x", W/"a-2"'], True),
        (['"x"', '"a-2"'], True),
        (['"x"'], False),
        (["a-2"], False),
        (['garbage "a-2"'], False),
    ],
    ids=str,
)
async def test_a_client_that_has_the_version_is_told_so_and_garbage_counts_as_none(lines, known):
    async with running(app()) as http:
        answer = await http.get("/thing", headers=[("if-none-match", line) for line in lines])
        assert answer.json() is known


async def test_a_hostile_list_is_read_in_a_time_that_grows_with_its_length():
    async def seconds(size: int) -> float:
        start = time.perf_counter()
        await http.put("/thing", headers={"if-match": '"a"' + " , " * size + "x"})
        return time.perf_counter() - start

    async with running(app()) as http:
        await seconds(100)
        short = min([await seconds(500) for _ in range(5)])
        assert min([await seconds(5000) for _ in range(3)]) < 40 * short
