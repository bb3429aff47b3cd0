"""The OpenAPI document says what the service does."""

import pytest
from orders.main import app

ROUTES = {
    ("/v1/orders", "post"): {201, 401, 403, 409, 422, 502},
    ("/v1/orders", "get"): {200, 401, 404, 422},
    ("/v1/orders/{order_id}", "get"): {200, 304, 401, 404, 422},
    ("/v1/orders/{order_id}/cancel", "post"): {200, 401, 404, 409, 412, 422, 428},
}
ANYWHERE = {400, 413, 415, 429, 500, 503, 504}


@pytest.fixture(scope="module")
def document() -> dict:
    return app().openapi()


def operations(document):
    return {
        (path, method): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_lists_its_answers_and_every_error_is_a_problem(document):
    assert operations(document).keys() == ROUTES.keys()
    for route, operation in operations(document).items():
        statuses = {int(status) for status in operation["responses"] if status != "default"}
        assert statuses == ROUTES[route] | ANYWHERE, route
        for status, answer in operation["responses"].items():
            if status == "default" or int(status) >= 400:
                assert list(answer["content"]) == ["application/problem+json"], (route, status)


def test_every_route_needs_a_bearer_token_and_has_a_description(document):
    for operation in operations(document).values():
        assert operation["security"] == [{"bearer": []}]
        assert operation["description"]


def test_the_headers_that_a_request_needs_are_required(document):
    def required(route):
        parameters = operations(document)[route]["parameters"]
        return {p["name"] for p in parameters if p["in"] == "header" and p["required"]}

    assert required(("/v1/orders", "post")) == {"Idempotency-Key"}
    assert required(("/v1/orders/{order_id}/cancel", "post")) == {"If-Match"}
    assert required(("/v1/orders/{order_id}", "get")) == set()


def test_an_order_has_no_field_that_is_not_described(document):
    schemas = document["components"]["schemas"]
    assert schemas["NewOrder"]["additionalProperties"] is False
    assert len(schemas["NewOrder"]["properties"]["currency"]["enum"]) > 100
    price = schemas["Item"]["properties"]["unit_price_minor"]
    assert (price["minimum"], price["maximum"]) == (0, 9_000_000_000_000)
