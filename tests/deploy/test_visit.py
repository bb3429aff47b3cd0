import re
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from dev.platform import Platform
from dev.state import State

pytestmark = pytest.mark.e2e
VISIT = Path(__file__).parents[2] / "deploy/local/visit.py"
TRACE = (
    b'{"data": [{"processes": {"1": {"serviceName": "users"}, "2": {"serviceName": "orders"}}}]}'
)


@pytest.fixture(scope="module")
def platform(tmp_path_factory, foreign_free, free_ports):
    """Both services as processes, in place of the cluster's forwarded ports."""
    state = State(tmp_path_factory.mktemp("visited"))
    with Platform(state, foreign_free | free_ports()) as started:
        yield started


@pytest.fixture
def jaeger():
    """Answers as Jaeger does about a trace of both services."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(TRACE)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def visit(platform, *arguments, jaeger=""):
    where = {"USERS": platform.url("users"), "ORDERS": platform.url("orders"), "JAEGER": jaeger}
    return subprocess.run(
        [sys.executable, VISIT, *arguments], env=where, capture_output=True, text=True, check=False
    )


def test_the_demo_shows_an_order_its_trace_and_a_limit(platform, jaeger):
    done = visit(platform, "demo", jaeger=jaeger)
    assert done.returncode == 0, done.stderr
    assert re.search(r"order \S+ for Ada Lovelace", done.stdout)
    assert f"one trace goes through both: {jaeger}/trace/" in done.stdout
    assert "is told 429" in done.stdout


def test_the_load_counts_answers_and_times_them(platform):
    done = visit(platform, "load", "1")
    assert done.returncode == 0, done.stderr
    assert re.search(r"\d+ answers a second: \{200: \d+", done.stdout)
    assert re.search(r"half within [\d.]+ ms, 95 % within [\d.]+ ms", done.stdout)


def test_a_platform_that_is_down_is_named(platform):
    done = subprocess.run(
        [sys.executable, VISIT, "demo"],
        env={"USERS": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "http://127.0.0.1:9/v1/users: " in done.stderr
    assert "is the platform up?" in done.stderr
