"""Cursors: signed places in a list."""

import pytest
from chassis_core import compose
from chassis_core.concerns.errors import errors
from chassis_core.concerns.pagination import Cursors, Page, PaginationSettings, pagination
from chassis_core.problem import NotFound
from chassis_core.testing import running
from fastapi import APIRouter
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

SECRET = SecretStr("a secret of at least thirty-two characters")
cursors = Cursors(b"secret")


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_a_place_comes_back_as_it_was(place):
    assert cursors.read(cursors.sign(place, route="/a"), route="/a") == place


@given(st.text(max_size=60))
def test_a_text_that_was_not_signed_is_refused(text):
    with pytest.raises(NotFound):
        cursors.read(text, route="/a")


def test_a_cursor_has_no_second_spelling():
    cursor = cursors.sign("place", route="/a")
    for other in (cursor + "=", cursor + "\n", cursor + "!", " " + cursor, cursor + "A"):
        with pytest.raises(NotFound):
            cursors.read(other, route="/a")


@pytest.mark.parametrize("reader, route", [(Cursors(b"other"), "/a"), (cursors, "/b")])
def test_a_cursor_is_good_for_one_secret_and_one_list(reader, route):
    with pytest.raises(NotFound):
        reader.read(cursors.sign("place", route="/a"), route=route)


def test_a_short_secret_is_refused():
    with pytest.raises(ValidationError):
        PaginationSettings(secret=SecretStr("short"))


def numbers() -> APIRouter:
    router = APIRouter()

    @router.get("/numbers")
    async def get(page: Page, tag: str = "") -> dict:
        after = int(page.after) if page.after else 0
        found = range(after + 1, 8)[: page.limit + 1]
        items, cursor = page.cut(found, place=lambda number: number)
        return {"items": list(items), "cursor": cursor, "link": cursor and page.link(cursor)}

    return router


def app(settings: PaginationSettings):
    return compose([pagination(settings), errors()], routers=[numbers()])


async def test_pages_follow_one_another_and_links_keep_the_rest_of_the_query():
    async with running(app(PaginationSettings())) as http:
        first = (await http.get("/numbers?limit=3&tag=a%26b")).json()
        assert first["items"] == [1, 2, 3]
        assert "tag=a%26b" in first["link"]
        second = (await http.get(first["link"].partition(">")[0][1:])).json()
        assert second["items"] == [4, 5, 6]
        last = (await http.get(f"/numbers?limit=3&cursor={second['cursor']}")).json()
        assert last == {"items": [7], "cursor": None, "link": None}


async def test_instances_that_share_a_secret_take_each_others_cursors_and_others_do_not():
    shared, alone = PaginationSettings(secret=SECRET), PaginationSettings()
    async with running(app(shared)) as http:
        cursor = (await http.get("/numbers?limit=1")).json()["cursor"]
    for settings, status in ((shared, 200), (alone, 404)):
        async with running(app(settings)) as http:
            assert (await http.get(f"/numbers?cursor={cursor}")).status_code == status
