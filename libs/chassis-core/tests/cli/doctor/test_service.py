"""`chassis doctor` on settings, ports, concerns of a service's own, and an instance that runs."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager

import httpx2
import pytest
from chassis_core import Fault, InvalidSettings
from chassis_core.cli import app
from chassis_core.testing.servers.process import free_port
from typer.testing import CliRunner

COMMAND = (sys.executable, "-c", "from chassis_core.cli import main; main()")


@pytest.fixture
def own(ward):
    """Give the service a concern of its own."""
    from ward import main

    return lambda **fields: main.concerns.append(fields)


@pytest.fixture
def environment(ward):
    """The environment in which another process finds the service."""
    path = os.pathsep.join([str(ward.parent), os.environ.get("PYTHONPATH", "")])
    return lambda: os.environ | {"PYTHONPATH": path}


@pytest.fixture
def instance(environment):
    """Run the service here."""

    @contextmanager
    def running(*options, admin_port=None):
        admin_port = admin_port or os.environ["WARD_SERVER__ADMIN_PORT"]
        process = subprocess.Popen(
            [*COMMAND, "serve", "ward", *options], env=environment(), stdout=subprocess.DEVNULL
        )
        try:
            _wait(process, f"http://127.0.0.1:{admin_port}/readyz")
            yield process
        finally:
            process.kill()
            process.wait()

    return running


def _wait(process, url):
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            httpx2.get(url, trust_env=False, timeout=5)
        except httpx2.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("it does not listen")


def test_every_wrong_setting_has_a_line_and_no_value_is_shown(ward, doctor, faults, monkeypatch):
    monkeypatch.setenv("WARD_DATABASE__POOL_SIZE", "s3cr3t")
    monkeypatch.setenv("WARD_REDIS__TIMEOUT", "-1")
    (first, second) = faults()
    assert first[:2] == (
        "settings",
        "WARD_REDIS__TIMEOUT: Input should be greater than 0",
    )
    assert second[1].startswith("WARD_DATABASE__POOL_SIZE: Input should be a valid integer")
    assert second[2] == "`chassis explain WARD_DATABASE__POOL_SIZE` says what it takes"
    done = doctor()
    assert done.exit_code == 1
    assert "s3cr3t" not in done.output


def test_an_unknown_setting_is_named_with_the_one_that_was_meant(ward, only, monkeypatch):
    monkeypatch.setenv("WARD_DATABSE__URL", "x")
    assert only()[0] == ("settings: unknown setting WARD_DATABSE__URL; did you mean WARD_DATABASE?")


def test_an_app_that_cannot_be_made_is_named(ward, own, only):
    own(name="twice")
    own(name="twice")
    what, _ = only()
    assert what.startswith("app: ComposeError: 'twice' and 'twice' share the name")


def test_a_taken_port_is_named_with_the_variable_that_moves_it(ward, only):
    port = int(os.environ["WARD_SERVER__PORT"])
    with socket.create_server(("127.0.0.1", port)):
        what, fix = only()
    assert what == f"ports: port {port} of 127.0.0.1 is taken"
    assert fix == "stop what holds it, or choose another by --port or WARD_SERVER__PORT"


def test_the_address_is_that_which_an_image_names(ward, only, monkeypatch):
    monkeypatch.setenv("CHASSIS_HOST", "0.0.0.0")
    port = int(os.environ["WARD_SERVER__PORT"])
    with socket.create_server(("127.0.0.1", port)):
        assert only()[0] == f"ports: port {port} of 0.0.0.0 is taken"


@pytest.mark.parametrize("body", [b"{}", b"[]", b"no JSON", b'{"service": {"name": "other"}}'])
def test_an_admin_port_taken_by_another_is_named(ward, endpoint, only, monkeypatch, body):
    other = endpoint(body)
    port = other.url.rpartition(":")[2]
    monkeypatch.setenv("WARD_SERVER__ADMIN_PORT", port)
    with other.running():
        what, fix = only()
    assert what == f"ports: port {port} of 127.0.0.1 is taken"
    assert fix.endswith("WARD_SERVER__ADMIN_PORT")


def test_an_admin_port_held_by_what_gives_no_answer_is_named(ward, only):
    port = int(os.environ["WARD_SERVER__ADMIN_PORT"])
    with socket.create_server(("127.0.0.1", port)):
        what, fix = only()
    assert what == f"ports: what holds port {port} gives no answer within 1 s"
    assert fix.endswith("WARD_SERVER__ADMIN_PORT")


def test_a_concern_of_the_service_is_asked_by_its_check_within_its_lifespan(own, only, faults):
    opened = []

    @asynccontextmanager
    async def lifespan():
        opened.append("yes")
        yield {}
        opened.append("no more")

    async def ready():
        if opened != ["yes"]:
            raise ConnectionError(f"the printer is out of paper, {opened}")

    own(name="printer", lifespan=lifespan, ready=ready)
    assert faults() == []
    assert opened == ["yes", "no more"]
    what, fix = only()
    assert what.startswith("printer: ConnectionError: the printer is out of paper")
    assert "its check is" in fix


def test_a_concern_that_would_stop_the_start_is_named(own, only):
    @asynccontextmanager
    async def lifespan():
        raise InvalidSettings("WARD_PAPER is too thin")
        yield {}

    async def ready():
        pass

    own(name="printer", lifespan=lifespan, ready=ready)
    assert only()[0] == "printer: InvalidSettings: WARD_PAPER is too thin"


def test_a_check_that_hangs_is_named_as_such(own, only):
    async def ready():
        await asyncio.sleep(60)

    own(name="printer", ready=ready)
    assert only()[0] == "printer: no answer within 1 s: what it asks hangs"


def test_a_concern_of_the_service_may_name_its_faults_itself(own, only):
    async def diagnose(within):
        return [Fault("the printer is out of paper", "fill it, and set <SERVICE>_PAPER")]

    async def ready():
        raise AssertionError("nobody asks, for its diagnosis says more")

    own(name="printer", diagnose=diagnose, ready=ready)
    assert only() == ("printer: the printer is out of paper", "fill it, and set WARD_PAPER")


def test_a_diagnosis_that_fails_or_hangs_takes_no_other_with_it(own, faults):
    async def fails(within):
        raise ZeroDivisionError

    async def hangs(within):
        await asyncio.sleep(60)

    own(name="printer", diagnose=fails)
    own(name="scanner", diagnose=hangs)
    told = [(part, what) for part, what, _ in faults()]
    assert told == [
        ("printer", "ZeroDivisionError"),
        ("scanner", "no answer within 4 s: what it asks hangs"),
    ]


def test_an_instance_that_runs_here_is_asked_and_one_that_is_blocked_is_named(
    instance, doctor, only
):
    with instance() as process:
        done = doctor()
        assert done.exit_code == 0
        assert "✓ the instance here" in done.output.splitlines()
        process.send_signal(signal.SIGSTOP)
        what, fix = only()
    assert what.endswith("gives no answer within 1 s")
    assert "EventLoopBlocked" in fix


def test_an_instance_on_ports_of_its_command_line_is_found_by_the_same(instance, doctor):
    admin_port = str(free_port())
    options = ["--port", str(free_port()), "--admin-port", admin_port]
    with instance(*options, admin_port=admin_port):
        assert "the instance here" not in doctor().output
        assert "✓ the instance here" in doctor(*options).output.splitlines()


def test_what_only_the_instance_finds_wrong_is_named_and_what_both_find_is_told_once(
    instance, only, monkeypatch
):
    url = os.environ["WARD_DATABASE__URL"]
    monkeypatch.setenv("WARD_DATABASE__URL", f"{url}.elsewhere")
    with instance():
        assert only()[0].startswith("database: ")
        monkeypatch.setenv("WARD_DATABASE__URL", url)
        assert only()[0].startswith("the instance here: database is unavailable: ")


def test_a_check_that_blocks_the_loop_ends_the_command_with_a_word(ward, environment):
    main = ward / "main.py"
    block = """
import time

async def blocks():
    time.sleep(300)

concerns.append({"name": "printer", "ready": blocks})
"""
    main.write_text(main.read_text() + block)
    done = subprocess.run(
        [*COMMAND, "doctor", "ward", "--timeout", "0.3"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "ward: given up after 4.5 s: a check blocks the event loop" in done.stderr


def test_an_unknown_service_is_one_line():
    done = CliRunner().invoke(app, ["doctor", "wrad"])
    assert done.exit_code == 1
    assert "no service 'wrad' is installed" in done.output


def test_programs_read_a_row_for_each_part(ward, doctor):
    rows = json.loads(doctor("--json").output)
    assert {"part": "database", "status": "ok", "what": "", "fix": ""} in rows
