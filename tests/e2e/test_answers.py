"""What every refusal carries, seen from outside."""

import re
from dataclasses import dataclass
from uuid import uuid4

import pytest
from chassis_core.testing.servers import execute
from dev.visitor import ORDER, PASSPHRASE, Visitor

SECURITY = {
    "content-security-policy",
    "strict-transport-security",
    "x-content-type-options",
    "referrer-policy",
    "permissions-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "cache-control",
}
TRACE = re.compile("[0-9a-f]{32}")


@dataclass
class Caller:
    """Somebody with a token, and the platform they call."""

    outside: object
    http: object
    token: str
    email: str

    def ask(self, method, url, **options):
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        return self.http.request(method, url, headers=headers, **options)


@pytest.fixture
def caller(outside, platform):
    with Visitor(platform.record()["urls"]) as visitor:
        visitor.register("Ada")
        yield Caller(outside, outside.client(), visitor.log_in(), visitor.email)


def no_token(c):
    return c.http.get(f"{c.outside.orders}/v1/orders")


def forged_token(c):
    head, body, _ = c.token.split(".")
    url = f"{c.outside.orders}/v1/orders"
    return c.http.get(url, headers={"Authorization": f"Bearer {head}.{body}.AAAA"})


def no_scope(c):
    return c.ask("GET", f"{c.outside.users}/v1/users/{uuid4()}")


def no_such_order(c):
    return c.ask("GET", f"{c.outside.orders}/v1/orders/{uuid4()}")


def no_such_path(c):
    return c.ask("GET", f"{c.outside.users}/no/such/path")


def wrong_method(c):
    return c.ask("DELETE", f"{c.outside.orders}/v1/orders")


def taken_email(c):
    wanted = {"email": c.email, "password": PASSPHRASE, "name": "Eve"}
    return c.http.post(f"{c.outside.users}/v1/users", json=wanted)


def large_body(c):
    return c.ask("POST", f"{c.outside.orders}/v1/orders", content=b" " * 20_000_000)


def large_chunked_body(c):
    chunks = (b" " * 100_000 for _ in range(200))
    return c.ask("POST", f"{c.outside.orders}/v1/orders", content=chunks)


def wrong_body(c):
    wrong, key = ORDER | {"currency": "Euro"}, {"Idempotency-Key": str(uuid4())}
    return c.ask("POST", f"{c.outside.orders}/v1/orders", json=wrong, headers=key)


def wrong_host(c):
    return c.http.get(f"{c.outside.users}/v1/users/me", headers={"Host": "evil example"})


def too_many(c):
    form = {"grant_type": "refresh_token", "refresh_token": "guess"}
    for _ in range(60):
        answer = c.http.post(f"{c.outside.users}/oauth2/token", data=form)
        if answer.status_code == 429:
            break
    return answer


REFUSALS = {
    "401 without a token": (no_token, 401, "orders"),
    "401 with a forged token": (forged_token, 401, "orders"),
    "403": (no_scope, 403, "users"),
    "404 of a thing": (no_such_order, 404, "orders"),
    "404 of a path": (no_such_path, 404, "users"),
    "405": (wrong_method, 405, "orders"),
    "409": (taken_email, 409, "users"),
    "413 by length": (large_body, 413, "orders"),
    "413 chunked": (large_chunked_body, 413, "orders"),
    "422": (wrong_body, 422, "orders"),
    "400 of a foreign host": (wrong_host, 400, "users"),
    "429": (too_many, 429, "users"),
}


def counted(before, after):
    """Return what was counted in between: labels to how often."""
    return {key: n - before.get(key, 0) for key, n in after.items() if n != before.get(key, 0)}


def assert_complete(outside, service, answer, status):
    """Assert all that a refusal must carry, in the answer and in the service's telemetry."""
    assert answer.status_code == status
    assert answer.headers.keys() >= SECURITY
    assert "server" not in answer.headers
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    request_id = answer.headers["x-request-id"]
    assert (problem["status"], problem["request_id"]) == (status, request_id)
    assert "Traceback" not in answer.text

    [line] = outside.access_lines(service, request_id)
    assert line["http.response.status_code"] == status
    assert TRACE.fullmatch(line["trace_id"])
    assert problem["trace_id"] == line["trace_id"]


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_a_whole_answer_with_one_access_line_and_one_sample(outside, caller, name):
    refused, status, service = REFUSALS[name]
    before = outside.requests(service)
    answer = refused(caller)
    changed = counted(before, outside.requests(service))
    assert_complete(outside, service, answer, status)
    ours = {k: n for k, n in changed.items() if dict(k)["http_response_status_code"] == str(status)}
    assert list(ours.values()) == [1]


def test_a_401_says_how_to_authenticate(caller):
    for refused in (no_token, forged_token):
        assert refused(caller).headers["www-authenticate"].startswith("Bearer")


def test_a_429_says_when_to_come_back(caller):
    answer = too_many(caller)
    assert int(answer.headers["retry-after"]) >= 1
    assert {"ratelimit", "ratelimit-policy"} <= answer.headers.keys()


def run_sql(platform, statement):
    url = platform.environment["ORDERS_DATABASE__URL"]
    if url.startswith("sqlite"):
        import sqlite3

        with sqlite3.connect(platform.state.database("orders")) as database:
            database.execute(statement)
        database.close()
    else:
        execute(url, statement)


@pytest.fixture
def broken_table(platform):
    run_sql(platform, "ALTER TABLE orders RENAME TO gone")
    yield
    run_sql(platform, "ALTER TABLE gone RENAME TO orders")


def test_a_500_is_a_whole_answer_too_and_hides_its_cause_but_not_from_the_log(
    outside, caller, broken_table
):
    before = outside.requests("orders")
    answer = caller.ask("GET", f"{outside.orders}/v1/orders")
    changed = counted(before, outside.requests("orders"))
    assert_complete(outside, "orders", answer, 500)
    assert list(changed.values()) == [1]
    assert "orders" not in answer.json().get("detail", "")
    request_id = answer.headers["x-request-id"]
    causes = [
        line
        for line in outside.lines("orders")
        if line.get("request_id") == request_id and "exception" in line
    ]
    assert len(causes) == 1
    assert "Traceback" in causes[0]["exception"]


def test_the_service_goes_on_after_a_500_on_the_same_connection(outside, caller, platform):
    run_sql(platform, "ALTER TABLE orders RENAME TO gone")
    try:
        assert caller.ask("GET", f"{outside.orders}/v1/orders").status_code == 500
    finally:
        run_sql(platform, "ALTER TABLE gone RENAME TO orders")
    assert caller.ask("GET", f"{outside.orders}/v1/orders").status_code == 200
