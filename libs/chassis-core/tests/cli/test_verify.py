"""`chassis verify`: what it prints of a service, and how it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from chassis_core.testing.conformance import PROMISES

NOTES = Path(__file__).parents[1] / "testing" / "conformance"
RUN = "import sys; sys.modules.update({blocked}); from chassis_core.cli import main; main()"
BROKEN = """
from chassis_core import Concern, ServiceSettings, create_app
from pydantic_settings import SettingsConfigDict

class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="BROKEN_")
    name: str = "broken"

def app():
    return create_app(Settings(), concerns=[Concern(name="tracing")])
"""


@pytest.fixture
def chassis(tmp_path: Path):
    """Run the command beside two installed services, without the modules that are named."""
    info = tmp_path / "some-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some\nVersion: 1.0\n")
    entries = "[chassis.services]\nnotes = notes.main:app\nbroken = broken:app\n"
    (info / "entry_points.txt").write_text(entries)
    (tmp_path / "broken.py").write_text(BROKEN)
    path = os.pathsep.join([str(tmp_path), str(NOTES)])

    def run(*arguments: str, without: str) -> subprocess.CompletedProcess[str]:
        code = RUN.format(blocked={without: None})
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(
            command,
            env=os.environ | {"PYTHONPATH": path},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    return run


def test_a_service_that_keeps_all_ends_well_with_a_line_for_each_and_needs_no_pytest(chassis):
    done = chassis("verify", "notes", without="pytest")
    lines = done.stdout.splitlines()
    assert lines[: len(PROMISES)] == [f"✓ {promise.name}" for promise in PROMISES]
    assert lines[-1] == f"notes: {len(PROMISES)} kept, 0 broken, 0 do not apply"
    assert (done.returncode, done.stderr) == (0, "")


ASKED = ("the-foundation-is-whole", "unmigrated-is-not-ready", "answers-are-traced")
ONLY = [word for name in ASKED for word in ("--only", name)]


def test_a_service_that_breaks_one_ends_with_1_and_is_told_what_belongs_there(chassis):
    done = chassis("verify", "broken", *ONLY, "--replaces", "tracing", without="pytest")
    assert done.returncode == 1
    assert "✓ the-foundation-is-whole" in done.stdout
    assert " unmigrated-is-not-ready: the service has no migrations" in done.stdout
    assert "✗ answers-are-traced: Every answer has one server span" in done.stdout
    assert "0 server spans; one belongs there" in done.stdout


def test_programs_read_the_verdicts_as_json(chassis):
    done = chassis("verify", "broken", *ONLY, "--json", without="pytest")
    verdicts = {row["promise"]: row for row in json.loads(done.stdout)}
    assert done.returncode == 1
    assert verdicts.keys() == {*ASKED}
    assert verdicts["the-foundation-is-whole"]["outcome"] == "broken"
    assert "tracing is replaced" in verdicts["the-foundation-is-whole"]["text"]
    assert verdicts["unmigrated-is-not-ready"]["outcome"] == "does not apply"


def test_a_promise_of_no_such_name_is_refused(chassis):
    done = chassis("verify", "broken", "--only", "everything", without="pytest")
    assert "no promise is called everything" in done.stderr


def test_a_concern_of_no_such_name_is_refused(chassis):
    done = chassis("verify", "broken", "--replaces", "everything", without="pytest")
    assert "no standard concern is called everything" in done.stderr


@pytest.mark.parametrize("command", ["serve", "migrate", "doctor"])
def test_what_runs_in_a_container_needs_no_test_kit(chassis, command):
    done = chassis(command, "nothing-of-this-name", without="chassis_core.testing")
    assert "no service 'nothing-of-this-name' is installed" in done.stderr
