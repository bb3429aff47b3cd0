import os
import signal
import subprocess
import sys

import pytest
from dev.console import Trouble
from dev.state import State

HOLDER = """
import sys, time
from pathlib import Path
from dev.state import State
state = State(Path(sys.argv[1]))
state.claim()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_platform_in_one_folder_is_refused_in_one_line_that_names_the_first(
    tmp_path, holder
):
    with pytest.raises(Trouble, match=rf"^the platform runs already \(process {holder.pid}\).*$"):
        State(tmp_path).claim()


def test_a_killed_platform_leaves_no_claim_behind(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    state = State(tmp_path)
    assert state.running() is None
    state.claim()
    state.release()


def test_the_record_tells_other_commands_what_runs_until_it_is_released(tmp_path):
    state, other = State(tmp_path), State(tmp_path)
    assert other.running() is None
    state.claim()
    state.record(collector="http://127.0.0.1:1")
    assert other.running() == {"collector": "http://127.0.0.1:1"}
    state.release()
    assert other.running() is None
    assert not (tmp_path / "platform.json").exists()


def test_a_folder_can_be_claimed_again_after_it_was_released(tmp_path):
    first, second = State(tmp_path), State(tmp_path)
    first.claim()
    first.release()
    second.claim()
    second.release()


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path):
    made = State(tmp_path).secrets()
    assert State(tmp_path).secrets() == made
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_two_clones_never_share_a_secret(tmp_path):
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    one, two = (State(folder).secrets() for folder in folders)
    assert not set(one.values()) & set(two.values())


def test_the_record_holds_settings_and_so_only_its_owner_reads_it(tmp_path):
    state = State(tmp_path)
    state.claim()
    assert (tmp_path / "platform.json").stat().st_mode & 0o777 == 0o600
    state.release()


def test_forgetting_removes_data_logs_and_secrets_and_keeps_the_claim(tmp_path):
    state = State(tmp_path)
    state.claim()
    state.secrets()
    state.database("users").write_text("data")
    state.log("users").write_text("line")
    state.forget()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["platform.json"]
    with pytest.raises(Trouble):
        State(tmp_path).claim()
    state.release()
