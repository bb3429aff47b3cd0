import ast
import os
import shutil
import socket
import subprocess
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from chassis_core.contract import prefix_of
from dev.ports import SERVICES, setting

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def copied():
    """Copy the repository to a folder: what git tracks, and what it would if it were added."""
    listed = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True
    )

    def to(folder):
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        return folder

    return to


@pytest.fixture
def copy(copied, tmp_path):
    """A fresh copy of the repository."""
    return copied(tmp_path / "clone")


@pytest.fixture(scope="session")
def foreign_free():
    """The environment without telemetry and service settings of whoever runs the tests."""
    foreign = ("OTEL_", "CHASSIS_", *map(prefix_of, SERVICES))
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


@pytest.fixture(scope="session")
def clean_environment(foreign_free):
    """The same without what belongs to this test run."""
    ours = ("PYTEST_", "UV_PROJECT_ENVIRONMENT", "VIRTUAL_ENV", "COV_", "_PYTEST")
    return {name: value for name, value in foreign_free.items() if not name.startswith(ours)}


@pytest.fixture(scope="session")
def free_ports():
    """Make settings that put every listener on a port that was free a moment ago."""
    names = [setting(service, admin=admin) for service in SERVICES for admin in (False, True)]

    def chosen():
        with ExitStack() as stack:
            sockets = {name: stack.enter_context(socket.socket()) for name in names}
            for opened in sockets.values():
                opened.bind(("127.0.0.1", 0))
            return {name: str(opened.getsockname()[1]) for name, opened in sockets.items()}

    return chosen


@pytest.fixture(scope="session")
def functions_of():
    """Name the functions of a file of the repository, so that a page can be held to its tests."""

    @cache
    def named(path):
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        functions = ast.FunctionDef | ast.AsyncFunctionDef
        return {node.name for node in tree.body if isinstance(node, functions)}

    return named
