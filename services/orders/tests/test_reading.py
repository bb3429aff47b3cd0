"""Reading orders: one at a time, in pages, and never another customer's."""

import time
from uuid import uuid4

from chassis_core.ids import uuid7


async def place(customer, count: int) -> list[str]:
    """Place orders and return their ids, oldest first; no two in one millisecond."""
    ids = []
    for _ in range(count):
        ids.append((await customer.place()).json()["id"])
        _sleep_past(ids[-1])
    return ids


def _sleep_past(order_id: str) -> None:
    while str(uuid7())[:13] <= order_id[:13]:
        time.sleep(0.0002)


async def walk(customer, query: str) -> list[list[str]]:
    """Follow `next_cursor` to the last page and return the ids of each."""
    pages, cursor = [], ""
    while True:
        page = await customer.orders(f"{query}{cursor}")
        pages.append([order["id"] for order in page["items"]])
        if page["next_cursor"] is None:
            return pages
        cursor = f"&cursor={page['next_cursor']}"


async def test_pages_hold_every_order_once_newest_first(ann):
    ids = await place(ann, 7)
    pages = await walk(ann, "?limit=3")
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [order_id for page in pages for order_id in page] == ids[::-1]


async def test_a_full_last_page_has_no_next(ann):
    ids = await place(ann, 4)
    assert await walk(ann, "?limit=2") == [ids[:1:-1], ids[1::-1]]


async def test_who_has_no_orders_has_one_empty_page(ann, bob):
    await place(bob, 1)
    assert await ann.orders() == {"items": [], "next_cursor": None}


async def test_orders_placed_meanwhile_shift_no_page(ann):
    ids = await place(ann, 4)
    first = await ann.orders("?limit=2")
    await place(ann, 3)
    second = await ann.orders(f"?limit=2&cursor={first['next_cursor']}")
    seen = [order["id"] for order in first["items"] + second["items"]]
    assert seen == ids[::-1]


async def test_the_link_header_leads_to_the_next_page(ann):
    ids = await place(ann, 3)
    answer = await ann.get("/v1/orders?limit=2")
    target, _, rel = answer.headers["link"].partition("; ")
    assert rel == 'rel="next"'
    following = await ann.get(target.strip("<>"))
    assert [order["id"] for order in following.json()["items"]] == ids[:1]
    assert "link" not in following.headers


async def test_a_limit_outside_1_to_100_is_refused(ann):
    for limit in ("0", "101", "-1", "x", "", "1.5", "9" * 99):
        answer = await ann.get(f"/v1/orders?limit={limit}")
        assert answer.status_code == 422, limit
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_cursor_that_was_changed_in_any_character_is_refused(ann):
    await place(ann, 2)
    cursor = (await ann.orders("?limit=1"))["next_cursor"]
    for n, old in enumerate(cursor):
        changed = cursor[:n] + ("A" if old != "A" else "B") + cursor[n + 1 :]
        answer = await ann.get(f"/v1/orders?limit=1&cursor={changed}")
        assert answer.status_code == 404, changed


async def test_a_cursor_that_was_made_up_is_refused(ann):
    for cursor in ("", "x", "AAAA", "%00", "%ff", "é", "a" * 600, "=", "-1"):
        answer = await ann.get(f"/v1/orders?cursor={cursor}")
        assert answer.status_code in {404, 422}, cursor
        assert answer.headers["content-type"] == "application/problem+json"


async def test_another_customers_cursor_shows_none_of_their_orders(ann, bob):
    await place(ann, 2)
    cursor = (await ann.orders("?limit=1"))["next_cursor"]
    assert (await bob.orders(f"?cursor={cursor}"))["items"] == []


async def test_another_customers_order_is_not_found_and_stays_as_it_is(ann, bob):
    placed = await ann.place()
    path, tag = placed.headers["location"], placed.headers["etag"]
    read, cancelled = await bob.get(path), await bob.cancel(placed.json()["id"], tag)
    missing = await bob.get(f"/v1/orders/{uuid4()}")
    assert (read.status_code, cancelled.status_code, missing.status_code) == (404, 404, 404)
    assert read.json()["detail"] == missing.json()["detail"]
    assert (await bob.orders())["items"] == []
    assert (await ann.get(path)).json() == placed.json()


async def test_an_order_the_client_has_already_is_304(ann):
    placed = await ann.place()
    path, tag = placed.headers["location"], placed.headers["etag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = await ann.get(path, **{"if-none-match": known})
        assert (answer.status_code, answer.content) == (304, b""), known
        assert answer.headers["etag"] == tag
        assert answer.headers["cache-control"] == "private, no-cache"
    for other in ('"2"', "garbage", '"1', "1"):
        assert (await ann.get(path, **{"if-none-match": other})).status_code == 200, other


async def test_an_id_that_is_none_is_refused(ann):
    for order_id in ("1", "x" * 300, "%00", "null", "..%2f..", "-"):
        assert (await ann.get(f"/v1/orders/{order_id}")).status_code in {404, 422}, order_id


async def test_who_has_no_token_reads_nothing(ann, http):
    path = (await ann.place()).headers["location"]
    assert [(await http.get(p)).status_code for p in ("/v1/orders", path)] == [401, 401]
