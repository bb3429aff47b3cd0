"""The process in a container: its health, its signals, and the processes that it did not start."""

import json
from time import monotonic

import pytest
from dev.containers import HARDENED, LABELS
from dev.waiting import until

SLACK = 5
"""A machine that does other things too may take so many times as long as is promised."""


@pytest.fixture
def start(engine, built):
    """Start a hardened container of orders, with a database in its temporary folder."""
    started = []

    def run(**options):
        url = "ORDERS_DATABASE__URL=sqlite+aiosqlite:////tmp/test.db"
        options = {"environment": [url], "tmpfs": {"/tmp": ""}, "labels": LABELS} | options
        started.append(engine.containers.run(built["orders"], detach=True, **options, **HARDENED))
        return started[-1]

    yield run
    for container in started:
        container.remove(force=True, v=True)


@pytest.fixture
def serving(start):
    container = start()
    until(lambda: b'"event":"listening"' in container.logs(), 30, "it does not listen")
    return container


def inside(container, script):
    return container.exec_run(["sh", "-c", script]).output.decode()


def probe(container):
    command = container.image.attrs["Config"]["Healthcheck"]["Test"]
    return container.exec_run(command[1:]).exit_code


def test_it_becomes_healthy_and_ends_in_order(serving):
    def healthy():
        serving.reload()
        return serving.attrs["State"]["Health"]["Status"] == "healthy"

    until(healthy, 40, "it did not become healthy")
    serving.kill("SIGTERM")
    assert serving.wait(timeout=30)["StatusCode"] == 0
    lines = [json.loads(line) for line in serving.logs().splitlines()]
    ours = [line["event"] for line in lines if line["logger"].startswith("chassis_core.server")]
    assert ours == ["listening", "draining", "drained"]


def test_a_process_that_hangs_is_found_by_the_health_check(serving):
    assert probe(serving) == 0
    child = int(inside(serving, "cat /proc/1/task/1/children"))
    inside(serving, f"kill -STOP {child}")
    assert probe(serving) == 1


def test_a_process_that_is_killed_is_started_again_and_soon_lives(start):
    container = start(restart_policy={"Name": "unless-stopped"})
    until(lambda: probe(container) == 0, 30, "it does not live")
    child = int(inside(container, "cat /proc/1/task/1/children"))
    began = monotonic()
    inside(container, f"kill -KILL {child}")

    def lives_again():
        container.reload()
        started = container.attrs["State"]["Status"] == "running"
        return container.attrs["RestartCount"] == 1 and started and probe(container) == 0

    until(lives_again, 3 * SLACK, "it is not started again")
    print(f"lives {monotonic() - began:.1f} s after it was killed")


def test_the_health_check_follows_a_port_that_is_set(start):
    moved = ["ORDERS_SERVER__ADMIN_PORT=9999", "ORDERS_DATABASE__URL=sqlite+aiosqlite:////tmp/t.db"]
    container = start(environment=moved)
    until(lambda: probe(container) == 0, 30, "the health check asks another port")


def test_without_a_writable_path_it_still_serves(start):
    container = start(tmpfs={}, environment=["ORDERS_DATABASE__URL=postgresql://x:x@127.0.0.1:1/x"])
    until(lambda: probe(container) == 0, 30, "it does not live without /tmp")


def test_the_signal_to_end_is_heard_before_it_listens(start):
    container = start()
    container.kill("SIGTERM")
    assert container.wait(timeout=10)["StatusCode"] == 128 + 15


def test_processes_that_lost_their_parent_are_reaped(serving):
    inside(serving, "for n in 1 2 3; do (sleep 0.2 &); done")

    def gone():
        return " (sleep) " not in inside(serving, "cat /proc/[0-9]*/stat")

    until(gone, 15, "orphans stay behind as zombies")
