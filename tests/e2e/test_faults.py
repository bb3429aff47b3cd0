"""What happens when a part of the platform ends, comes back, or was never there."""

import json
import os
import signal
from contextlib import suppress

import httpx2
import pytest
from dev.console import Trouble
from dev.platform import Platform
from dev.state import State
from dev.visitor import ORDER, Visitor
from dev.waiting import until


@pytest.fixture(scope="module")
def own_platform(tmp_path_factory, foreign_free, free_ports):
    """A platform whose services these tests end; each starts again what it ended."""
    with Platform(State(tmp_path_factory.mktemp("own")), foreign_free | free_ports()) as started:
        yield started


@pytest.fixture(scope="module")
def urls(own_platform):
    return own_platform.record()["urls"]


@pytest.fixture
def token(urls):
    with Visitor(urls) as visitor:
        visitor.register("Ada")
        yield visitor.log_in()


def ask(urls, token, method="GET", **options):
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "e2e"}
    url = f"{urls['orders']}/v1/orders"
    return httpx2.request(method, url, headers=headers, timeout=30, **options)


def test_with_users_gone_known_tokens_still_open_and_an_order_is_refused_as_unavailable(
    own_platform, urls, token
):
    assert ask(urls, token).status_code == 200
    assert own_platform.end("users") == 0

    assert ask(urls, token).status_code == 200
    refused = ask(urls, token, "POST", json=ORDER)
    assert refused.status_code == 503
    assert refused.headers["content-type"] == "application/problem+json"

    own_platform.start("users")
    own_platform.wait_ready("users")
    until(lambda: ask(urls, token, "POST", json=ORDER).status_code == 201, 40, "no order")


def test_without_ever_having_seen_a_key_the_answer_is_503_and_never_401(own_platform, urls, token):
    assert own_platform.end("users") == 0
    assert own_platform.end("orders") == 0
    own_platform.start("orders")
    until(lambda: listens(urls["orders"]), 30, "orders does not listen")

    refused = ask(urls, token)
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1

    own_platform.start("users")
    own_platform.wait_ready("users")
    until(lambda: ask(urls, token).status_code == 200, 40, "orders never found the keys")


def listens(url):
    with suppress(httpx2.HTTPError):
        return httpx2.get(f"{url}/none").status_code == 404
    return False


def test_a_restart_loses_no_user_no_order_and_no_token(own_platform, urls, token):
    placed = ask(urls, token, "POST", json=ORDER).json()
    for service in ("users", "orders"):
        assert own_platform.end(service) == 0
        own_platform.start(service)
        own_platform.wait_ready(service)
    assert ask(urls, token).json()["items"] == [placed]
    assert ask(urls, token, "POST", json=ORDER).json() == placed


def test_a_service_that_was_killed_is_named_with_its_last_lines(own_platform):
    own_platform.processes["orders"].send_signal(signal.SIGKILL)
    own_platform.processes["orders"].wait()
    with pytest.raises(Trouble, match=r"^orders exited with -9; the end of .*orders.log") as told:
        own_platform.check()
    assert '"event":"listening"' in str(told.value)
    own_platform.start("orders")
    own_platform.wait_ready("orders")


def test_the_end_is_clean_sends_the_last_spans_and_leaves_no_process(
    tmp_path, foreign_free, free_ports
):
    with Platform(State(tmp_path), foreign_free | free_ports()) as platform:
        processes = list(platform.processes.values())
        request_id = ask(platform.record()["urls"], "none").headers["x-request-id"]
    assert [process.returncode for process in processes] == [0, 0]
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
    lines = [json.loads(line) for line in platform.state.log("orders").read_bytes().splitlines()]
    ours = next(line for line in lines if line.get("request_id") == request_id)
    assert platform.collector.trace(ours["trace_id"])
    assert not [line for line in lines if line["level"] in {"error", "critical"}]
