"""`up`, `demo` and `run` as a person runs them."""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from dev.state import State
from dev.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.timeout(240)]


@pytest.fixture
def command(tmp_path, foreign_free, free_ports):
    """Start a command of `./dev` on free ports, with a folder of its own."""
    environment = foreign_free | free_ports() | {"CHASSIS_STATE": str(tmp_path), "NO_COLOR": "1"}
    started = []

    def run(*arguments, **changed):
        process = subprocess.Popen(
            [sys.executable, "-m", "dev", *arguments],
            env=environment | changed,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    run.environment = environment
    yield run
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


def ready(process):
    """Read what `up` prints until it is ready."""
    told = []
    for line in process.stdout:
        told.append(line)
        if line.startswith("Ctrl-C"):
            return "".join(told)
    raise AssertionError("".join([*told, process.stderr.read()]))


def leftovers(state):
    """Return the processes that have the state's folder in their environment, by command line."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{state}/data/users.db".encode() in (process / "environ").read_bytes():
                found[(process / "cmdline").read_text()] = int(process.name)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_serves_until_it_is_told_to_stop_and_leaves_no_process_and_no_claim(
    command, tmp_path, number
):
    up = command("up")
    assert "ready in" in ready(up)
    up.send_signal(number)
    assert up.wait(60) == 0
    assert not leftovers(tmp_path)
    assert State(tmp_path).running() is None
    assert not (tmp_path / "platform.json").exists()


def test_a_second_up_is_refused_in_one_line_and_a_killed_one_does_not_block_the_next(
    command, tmp_path
):
    first = command("up")
    ready(first)
    second = command("up")
    _, told = second.communicate(timeout=60)
    assert second.returncode == 1
    assert re.fullmatch(rf"dev: the platform runs already \(process {first.pid}\).*\n", told)

    first.kill()
    first.wait()
    until(lambda: not leftovers(tmp_path), 30, "a killed up leaves services behind")
    third = command("up")
    assert "ready in" in ready(third)


def test_when_a_service_dies_the_other_is_stopped_and_the_dead_one_is_named(command, tmp_path):
    up = command("up")
    ready(up)
    [orders] = [pid for line, pid in leftovers(tmp_path).items() if "serve\0orders" in line]
    os.kill(orders, signal.SIGKILL)
    _, told = up.communicate(timeout=60)
    assert up.returncode == 1
    assert told.startswith("dev: orders exited with -9; the end of ")
    assert '"event":"listening"' in told
    assert not leftovers(tmp_path)


def test_a_taken_port_is_named_with_the_setting_that_moves_it(command):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        up = command("up", ORDERS_SERVER__ADMIN_PORT=str(taken))
        _, told = up.communicate(timeout=60)
    assert up.returncode == 1
    assert told == (
        f"dev: port {taken} of orders is taken: stop what listens there,"
        " or choose another with ORDERS_SERVER__ADMIN_PORT=…\n"
    )


def test_the_demo_tells_its_story_on_the_platform_that_runs_and_reset_forgets_it(command, tmp_path):
    up = command("up")
    ready(up)
    demo = command("demo")
    story, trouble = demo.communicate(timeout=120)
    assert (demo.returncode, trouble) == (0, "")
    assert "Every step was as it should be" in story
    assert "\x1b" not in story

    trace_id = re.search(r"trace ([0-9a-f]{32})", story).group(1)
    tree, _ = command("trace", trace_id).communicate(timeout=60)
    assert "users   │  └─ GET /v1/users/me" in tree

    keys, _ = command("run", "users", "keys", "list").communicate(timeout=60)
    assert [line.split()[1] for line in keys.splitlines()] == ["retired", "active", "next"]

    up.terminate()
    assert up.wait(60) == 0
    again = command("up", "--reset")
    ready(again)
    keys, _ = command("run", "users", "keys", "list").communicate(timeout=60)
    assert [line.split()[1] for line in keys.splitlines()] == ["active", "next"]


def test_the_demo_starts_a_platform_of_its_own_and_stops_it(command, tmp_path):
    demo = command("demo")
    story, trouble = demo.communicate(timeout=120)
    assert (demo.returncode, trouble) == (0, "")
    assert story.startswith("migrating")
    assert not leftovers(tmp_path)


def test_an_unknown_command_names_those_there_are(command):
    wrong = command("start")
    _, told = wrong.communicate(timeout=60)
    assert wrong.returncode == 2
    assert (
        told
        == "dev: no command 'start'; there are up, demo, trace, run, test, check, images and help\n"
    )


def test_a_trace_of_a_platform_that_does_not_run_is_refused_in_one_line(command):
    asked = command("trace", "0" * 32)
    assert asked.communicate(timeout=60)[1] == "dev: the platform does not run: ./dev up\n"
