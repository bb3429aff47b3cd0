"""One order, seen from outside."""

import subprocess
from uuid import uuid4

import pytest
from dev.story import Story
from dev.trace import await_trace
from dev.up import session
from dev.visitor import ORDER, Visitor
from dev.waiting import until


@pytest.fixture
def urls(platform):
    return platform.record()["urls"]


@pytest.fixture
def visitor(urls):
    with Visitor(urls) as person:
        person.register("Ada Lovelace")
        yield person


@pytest.fixture
def placed(visitor):
    return visitor.order(visitor.log_in(), str(uuid4()))


def spans_of(platform, outside, answer):
    [line] = outside.access_lines("orders", answer.headers["x-request-id"])
    return await_trace(platform.collector.url, line["trace_id"], {"users", "orders"})


def test_the_story_of_the_demo_is_true_on_every_store(platform, urls, capsys):
    with Visitor(urls) as ada:
        story = Story(platform.state, platform.record(), ada)
        story.login()
        story.trace(story.logs(story.order()))
        story.rotation()
        story.limit()
    told = capsys.readouterr().out
    assert "429 Too Many Requests" in told
    assert told.count("✓") == 11


def test_the_session_that_up_prints_works_when_pasted(platform):
    pasted = subprocess.run(
        ["/bin/sh", "-eu"], input=session(platform), capture_output=True, text=True, check=True
    )
    registered, placed, listed = pasted.stdout.splitlines()
    assert '"email":"ada@example.com"' in registered
    assert '"total_minor":900' in placed
    assert placed in listed


def test_one_trace_spans_both_services_and_users_hangs_under_the_call_of_orders(
    platform, outside, placed
):
    spans = {span.span_id: span for span in spans_of(platform, outside, placed)}
    [served] = [s for s in spans.values() if (s.service, s.kind) == ("users", "SERVER")]
    call = spans[served.parent_id]
    root = spans[call.parent_id]
    assert (call.service, call.kind, call.name) == ("orders", "CLIENT", "GET")
    assert (root.service, root.kind, root.name) == ("orders", "SERVER", "POST /v1/orders")
    assert root.parent_id == ""
    assert root.start <= call.start < call.end <= root.end
    # Each process has a clock of its own, and a server's span ends after its answer was sent.
    assert served.start < served.end


def test_statements_are_client_spans_inside_the_request_that_made_them(platform, outside, placed):
    spans = spans_of(platform, outside, placed)
    statements = [span for span in spans if "db.system.name" in span.attributes]
    servers = {span.service: span for span in spans if span.kind == "SERVER"}
    assert {span.service for span in statements} == {"users", "orders"}
    for span in statements:
        assert span.kind == "CLIENT"
        assert span.parent_id == servers[span.service].span_id


def test_a_trace_that_the_caller_began_goes_on(platform, outside):
    trace_id, parent = uuid4().hex, "00f067aa0ba902b7"
    headers = {"traceparent": f"00-{trace_id}-{parent}-01"}
    outside.client().get(f"{outside.orders}/v1/orders", headers=headers)

    def served():
        return [span for span in platform.collector.trace(trace_id) if span.kind == "SERVER"]

    [span] = until(served, 10, "the span did not come")
    assert span.parent_id == parent


def test_the_callers_request_id_is_in_both_services_logs(outside, visitor):
    request_id = f"e2e-{uuid4().hex}"
    headers = {
        "Authorization": f"Bearer {visitor.log_in()}",
        "Idempotency-Key": request_id,
        "X-Request-ID": request_id,
    }
    outside.client().post(f"{outside.orders}/v1/orders", headers=headers, json=ORDER)
    for service in ("users", "orders"):
        [line] = outside.access_lines(service, request_id)
        assert line["http.response.status_code"] in {200, 201}


def test_probes_leave_no_span_and_no_access_line(platform, outside):
    outside.access_lines("users", "none")
    assert not [span for span in platform.collector.spans if "readyz" in span.name]
    assert not [line for line in outside.lines("users") if line.get("url.path") == "/readyz"]
