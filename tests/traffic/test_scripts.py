"""The scripts that put load on real processes, shortened: each exits with 1 below its bar."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.alone]
ROOT = Path(__file__).parents[2]
ROLLING = ("rolling", "--restarts", "1", "--drain-delay", "4", "--slack", "10", "--rate", "100")


def script(*words):
    command = [sys.executable, "-m", f"bench.{words[0]}", *words[1:]]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )


@pytest.mark.parametrize("connections", ["new", "kept", "haproxy"])
def test_a_rolling_restart_fails_no_request_and_loses_no_span(connections):
    if connections == "haproxy" and shutil.which("haproxy") is None:
        pytest.skip("haproxy is missing: apt-get install haproxy")
    done = script(*ROLLING, "--on", connections)
    assert done.returncode == 0, done.stdout + done.stderr


def test_slow_clients_are_closed_while_good_requests_succeed():
    done = script("slow_clients", "--connections", "200", "--opened", "100", "--faster", "2")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("scarce", ["core", "pool"])
def test_in_overload_what_is_taken_stays_fast_and_the_rest_is_refused_at_once(scarce):
    done = script("overload", "--of", scarce, "--seconds", "8", "--slack", "2.5")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_killed_service_is_soon_ready_again():
    done = script("restarts", "--kills", "1", "--within", "20")
    if done.returncode == 2:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_collector_that_is_away_costs_spans_that_are_counted_and_little_else():
    # So short a run says nothing of the few percent that are allowed, and much of a hang.
    done = script("collectors", "--seconds", "15", "--p99", "20", "--grown", "15")
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_line_of_a_request_is_taken_for_anothers():
    done = script("told_apart", "--requests", "600", "--rate", "100")
    assert done.returncode == 0, done.stdout + done.stderr
