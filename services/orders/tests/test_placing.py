"""Placing an order: what it makes, whom it asks, and what it refuses."""

from uuid import UUID

from chassis_core import create_app
from chassis_core.concerns.rate_limit import RateLimitSettings
from chassis_core.testing import running
from orders.api import router


async def test_an_order_is_placed_with_its_total_location_and_version(ann):
    answer = await ann.place()
    assert answer.status_code == 201, answer.text
    order = answer.json()
    assert answer.headers["location"] == f"/v1/orders/{order['id']}"
    assert answer.headers["etag"] == '"1"'
    assert UUID(order["id"]).version == 7
    assert order["total_minor"] == 2 * 450 + 1999
    assert [item["sku"] for item in order["items"]] == ["tea-100g", "pot"]
    assert (order["status"], order["currency"], order["customer_name"]) == ("placed", "EUR", "Ann")
    assert order["placed_at"].endswith("Z")
    assert (await ann.get(answer.headers["location"])).json() == order


async def test_the_largest_order_has_an_exact_total(ann):
    item = {"sku": "s" * 64, "quantity": 10_000, "unit_price_minor": 9_000_000_000_000}
    answer = await ann.place({"items": [item] * 100, "currency": "IDR"})
    assert answer.status_code == 201, answer.text
    assert answer.json()["total_minor"] == 9 * 10**18
    assert (await ann.get(answer.headers["location"])).json()["total_minor"] == 9 * 10**18


async def test_a_whole_number_with_a_fraction_of_zero_is_the_integer_that_it_is(ann):
    item = {"sku": "tea", "quantity": 2.0, "unit_price_minor": 1e2}
    order = (await ann.place({"items": [item], "currency": "EUR"})).json()
    assert (order["total_minor"], order["items"][0]["quantity"]) == (200, 2)


async def test_users_is_asked_with_the_callers_token_trace_and_request_id(ann, users, telemetry):
    answer = await ann.place()
    (asked,) = users.requests
    assert (asked.method, asked.url.path) == ("GET", "/v1/users/me")
    assert asked.headers["authorization"] == f"Bearer {ann.token}"
    assert asked.headers["x-request-id"] == answer.headers["x-request-id"]
    (server,) = [s for s in telemetry.spans if s.attributes.get("http.route") == "/v1/orders"]
    assert asked.headers["traceparent"].split("-")[1] == f"{server.context.trace_id:032x}"


async def test_no_connection_to_the_database_is_held_while_users_is_asked(
    ann, app, users, telemetry
):
    in_use = []

    async def look(request):
        in_use.append(
            telemetry.sample("db_client_connection_count", db_client_connection_state="used")
        )
        return await type(users).handle_async_request(users, request)

    users.handle_async_request = look
    assert (await ann.place()).status_code == 201
    assert in_use == [0.0]


async def test_an_order_leaves_an_audit_line_of_ids_and_a_span_attribute(ann, telemetry):
    order_id = (await ann.place()).json()["id"]
    (line,) = [line for line in telemetry.lines if line["event"] == "order_placed"]
    assert (line["order_id"], line["customer_id"]) == (order_id, "ann")
    assert "Ann" not in str(line)
    (request,) = telemetry.access_lines()
    assert line["request_id"] == request["request_id"]
    assert order_id in [span.attributes.get("order.id") for span in telemetry.spans]


async def test_who_has_no_token_places_nothing(http, users):
    answer = await http.post("/v1/orders", json={}, headers={"idempotency-key": "k"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert not users.requests


async def test_the_limit_is_the_settings_if_they_have_one(customer, settings, users, ann):
    limits = RateLimitSettings(routes={"place_order": "2/minute"})
    strict = settings.model_copy(update={"rate_limit": limits})
    async with running(create_app(strict, routers=[router], transport=users)) as http:
        answers = [await customer("ann", http).place(key=f"k{n}") for n in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert (await ann.place()).status_code == 201


async def test_one_customer_cannot_place_orders_without_end_and_others_still_can(ann, bob):
    for _ in range(60):  # more than the 30, for one more may be placed every two seconds
        if (answer := await ann.place()).status_code != 201:
            break
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    assert (await bob.place()).status_code == 201


GOOD = {"sku": "tea", "quantity": 1, "unit_price_minor": 100}


def _cart(**changes):
    return {"items": [GOOD | changes], "currency": "EUR"}


BROKEN = [
    _cart(quantity=0),
    _cart(quantity=-1),
    _cart(quantity=10_001),
    _cart(quantity="1"),
    _cart(quantity=1.5),
    _cart(quantity=1e300),
    _cart(quantity=True),
    _cart(quantity=None),
    _cart(quantity=2**64),
    _cart(unit_price_minor=-1),
    _cart(unit_price_minor=0.5),
    _cart(unit_price_minor=2**63),
    _cart(unit_price_minor=10**400),
    _cart(sku=""),
    _cart(sku="a b"),
    _cart(sku="a\n"),
    _cart(sku="a\0"),
    _cart(sku="s" * 65),
    _cart(sku="é"),
    _cart(color="red"),
    {"items": [], "currency": "EUR"},
    {"items": [GOOD] * 101, "currency": "EUR"},
    {"items": [GOOD], "currency": "eur"},
    {"items": [GOOD], "currency": "XYZ"},
    {"items": [GOOD], "currency": "XAU"},
    {"items": [GOOD], "currency": ""},
    {"items": [GOOD], "currency": "EUR", "total_minor": 1},
    {"items": [GOOD], "currency": "EUR", "customer_id": "bob"},
    {"items": GOOD, "currency": "EUR"},
    {"items": [GOOD]},
    {},
    [],
]


async def test_an_order_that_breaks_a_rule_is_refused_without_its_input(customer, users):
    for n, body in enumerate(BROKEN):
        answer = await customer(f"c{n}").place(body)
        assert answer.status_code == 422, (body, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.content) < 65_536
    assert not users.requests


AMBIGUOUS = [
    b'{"sku":"tea","quantity":NaN,"unit_price_minor":1}',
    b'{"sku":"tea","quantity":1,"unit_price_minor":Infinity}',
    b'{"sku":"tea","quantity":1,"unit_price_minor":1e400}',
    b'{"sku":"tea","quantity":1,"unit_price_minor":-1e400}',
    b'{"sku":"te\\u0000a","quantity":1,"unit_price_minor":1}',
    b'{"sku":"\\ud800","quantity":1,"unit_price_minor":1}',
    b'{"sku":"tea","quantity":1,"quantity":2,"unit_price_minor":1}',
    b'{"sku":"tea","quantity":1,"unit_price_minor":' + b"9" * 5000 + b"}",
    b'{"sku":"tea","quantity":' + b"[" * 1000 + b"]" * 1000 + b',"unit_price_minor":1}',
    b'{"sku":"\xff","quantity":1,"unit_price_minor":1}',
    b"{'sku':'tea'}",
    b"{",
]


async def test_a_body_that_readers_may_understand_differently_is_refused(customer, users):
    for n, item in enumerate(AMBIGUOUS):
        answer = await customer(f"c{n}").place(b'{"currency":"EUR","items":[' + item + b"]}")
        assert answer.status_code in {400, 422}, (item[:80], answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    assert not users.requests


async def test_a_body_of_another_type_is_refused(ann):
    headers = {"idempotency-key": "k", "content-type": "text/plain"}
    answer = await ann.send("POST", "/v1/orders", content=b"{}", headers=headers)
    assert answer.status_code in {415, 422}
