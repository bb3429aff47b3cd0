"""`./dev` itself, on machines that miss something."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dev.check import CHECKS

ROOT = Path(__file__).parents[1]

TOOLS = ("dirname", "env", "mkdir", "rm", "cat", "tail")
BARE_PYTHON = """#!/bin/sh
case "$*" in
    "-c "*) exec {python} "$@" ;;
    *) echo "No module named anything" >&2; exit 1 ;;
esac
"""


@pytest.fixture
def machine(tmp_path, copy):
    """Run `./dev` in a fresh copy with nothing but a shell's tools on PATH and nowhere to write."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for tool in TOOLS:
        (programs / tool).symlink_to(shutil.which(tool))

    def run(*arguments, python=None):
        if python is not None:
            (programs / "python3").write_text(python)
            (programs / "python3").chmod(0o755)
        return subprocess.run(
            ["/bin/sh", copy / "dev", *arguments],
            cwd="/",
            env={"PATH": str(programs), "HOME": "/proc/nowhere"},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_help_needs_nothing_and_installs_nothing(machine, copy):
    for arguments in ((), ("help",), ("--help",)):
        shown = machine(*arguments)
        assert shown.returncode == 0
        assert "./dev up" in shown.stdout
    assert not (copy / ".dev").exists()
    assert not (copy / ".venv").exists()


def test_a_machine_without_python_is_told_so_in_one_line(machine):
    refused = machine("up")
    assert refused.returncode != 0
    assert refused.stderr == "dev: needs Python 3.8 or newer, or uv 0.13, on PATH\n"


def test_a_python_that_cannot_install_uv_is_told_so_with_the_reason(machine, copy):
    refused = machine("up", python=BARE_PYTHON.format(python=sys.executable))
    assert refused.returncode != 0
    first, second = refused.stderr.splitlines()
    assert first == "dev: installing uv 0.13.9 under .dev/, once"
    assert second.startswith("dev: could not install uv 0.13.9: No module named anything")
    assert (copy / ".dev" / "uv.log").exists()


@pytest.mark.parametrize("file", ["dev", ".pre-commit-config.yaml"])
def test_every_check_is_named_wherever_they_are(file):
    assert ", ".join(CHECKS) in (ROOT / file).read_text()


def test_ci_holds_the_rules_about_a_change_to_what_a_pull_request_changes():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    checkout, *_, run = workflow["jobs"]["ci"]["steps"]
    assert checkout["with"]["fetch-depth"] == 0
    (variable,) = run["env"]
    assert run["env"][variable] == "${{ github.event.pull_request.base.sha }}"
    assert f'./dev run chassis check --since "${variable}"' in (ROOT / ".ci/run").read_text()
