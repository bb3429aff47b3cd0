"""The README, executed from its first command to its last in a fresh copy."""

import os
import re
import socket
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from dev.waiting import until

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
STAYS = ("./dev up", "./dev run uvicorn")


def shell_commands():
    """Return the commands of the README in order; a Python block becomes the saving of its file."""
    commands = []
    for language, text in BLOCK.findall(README):
        commands += text.splitlines() if language == "sh" else [("greetings.py", text)]
    return commands


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture
def environment(clean_environment, free_ports):
    if "UV" not in os.environ:
        pytest.skip("the README's commands need the uv of ./dev: run the tests as ./dev test")
    path = f"{Path(os.environ['UV']).parent}{os.pathsep}{os.environ['PATH']}"
    few = {"PYTEST_ADDOPTS": "libs/dev/tests/test_trace.py"}
    return clean_environment | free_ports() | few | {"PATH": path, "NO_COLOR": "1"}


@contextmanager
def staying(command, port, **options):
    """Run a command that serves, from when it is ready to the end of the block."""
    process = subprocess.Popen(command, shell=True, stdout=subprocess.PIPE, text=True, **options)
    try:
        if "up" in command.split():
            until(lambda: process.stdout.readline().startswith("Ctrl-C"), 120, "up is not ready")
        else:
            until(lambda: listens(port), 60, f"{command} does not listen")
        yield
    finally:
        process.terminate()
        process.communicate(timeout=60)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 120


def test_the_service_has_11_lines():
    [service] = [text for language, text in BLOCK.findall(README) if language == "python"]
    assert len([line for line in service.splitlines() if line]) <= 11


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (Path(__file__).parents[1] / target).exists(), target


@pytest.mark.timeout(900)
@pytest.mark.e2e
@pytest.mark.alone
def test_every_command_of_the_readme_works_in_a_fresh_copy(copy, environment, port):
    options = {"cwd": copy, "env": environment}
    with ExitStack() as stack:
        for command in shell_commands():
            if isinstance(command, tuple):
                (copy / command[0]).write_text(command[1])
                continue
            line = command.replace("8010", port).replace("payments", "stamp-cards")
            if line.startswith(STAYS):
                stack.enter_context(staying(f"exec {line}", port, **options))
                continue
            done = subprocess.run(
                line, shell=True, capture_output=True, text=True, check=False, **options
            )
            assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
            if line.startswith("curl"):
                assert done.stdout.startswith("HTTP/1.1 200"), f"{line}\n{done.stdout}"
