"""Bad edits of the services are caught by `chassis check`, and good ones raise nothing."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from contextlib import contextmanager
from pathlib import Path

import pytest
from chassis_core.contract.checking import check
from chassis_core.contract.rules import RULES

ROOT = Path(__file__).parents[1]
NEW = "services/orders/src/orders/new.py"


def edits(name):
    """Return a table of edits: of `file`, `old` becomes `new`, or `new` is added at its end."""
    return tomllib.loads((ROOT / f"tests/tampering/{name}.toml").read_text("utf-8"))["edit"]


BAD, GOOD = edits("bad"), edits("good")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of what a service's author works on."""
    root = tmp_path_factory.mktemp("platform")
    shutil.copy(ROOT / "chassis.toml", root)
    leave = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(ROOT / "services", root / "services", ignore=leave)
    return root


@contextmanager
def edited(root, file, new, old=""):
    """Make the edit, and undo it."""
    path = root / file
    before = path.read_text("utf-8") if path.exists() else ""
    assert old in before, f"{file} has no {old!r} any more: mend the table"
    fresh = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(before.replace(old, new) if old else before + new, "utf-8")
    yield
    if before:
        path.write_text(before, "utf-8")
        return
    path.unlink()
    for folder in fresh:
        folder.rmdir()


def findings(root, edit):
    with edited(root, edit["file"], edit["new"], edit.get("old", "")):
        return check(root, [edit["file"].split("/")[1]])


def test_the_services_as_they_are_keep_the_contract(copy):
    assert list(map(str, check(copy))) == []


def test_every_bad_edit_is_caught_by_its_rule(copy, capsys):
    missed = []
    for edit in BAD:
        found = findings(copy, edit)
        names = {one.rule for one in found}
        # An edit that is no Python would be caught for nothing else.
        if edit["rule"] not in names or (edit["rule"] != "readable" and "readable" in names):
            missed.append((edit, [str(one) for one in found]))
    with capsys.disabled():
        print(f"\n{len(BAD) - len(missed)} of {len(BAD)} bad edits caught")
    assert not missed, missed
    assert len(BAD) >= 40


def test_every_rule_catches_a_bad_edit():
    assert {edit["rule"] for edit in BAD} == {rule.name for rule in RULES}


def test_no_good_edit_raises_an_alarm(copy, capsys):
    alarms = {edit["what"]: [str(one) for one in findings(copy, edit)] for edit in GOOD}
    alarms = {what: found for what, found in alarms.items() if found}
    with capsys.disabled():
        print(f"\n{len(alarms)} of {len(GOOD)} false alarms")
    assert not alarms, alarms
    assert len(GOOD) >= 25


def test_the_command_says_where_and_what_instead(copy):
    def run(*arguments):
        command = [Path(sys.executable).with_name("chassis"), "check", *arguments]
        return subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)

    with edited(copy, NEW, "print('x')\n"):
        bad, told = run(), json.loads(run("orders", "--json").stdout)
    assert bad.returncode == 1, bad.stderr
    line, count = bad.stdout.splitlines()
    assert re.fullmatch(rf"{NEW}:1: one-log: print\(\) .*get_logger.*", line)
    assert count == "1 finding"
    assert [(one["rule"], one["path"], one["line"]) for one in told] == [("one-log", NEW, 1)]


def test_the_command_is_content_with_the_services_as_they_are(copy):
    command = [Path(sys.executable).with_name("chassis"), "check"]
    done = subprocess.run(
        command, cwd=copy / "services", capture_output=True, text=True, check=True
    )
    assert done.stdout == "0 findings\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["order"], 2, "chassis check: there is no service 'order' in chassis.toml; did you mean"),
        (["--since", "HEAD"], 2, "chassis check: there is no commit 'HEAD' here"),
        (["--path", "dev"], 1, "dev: immutable: of the foundation"),
        (["--path", "services/orders/x.py"], 0, "services/orders/x.py: extensible: "),
    ],
)
def test_the_command_answers_in_one_line(copy, arguments, code, said):
    command = [Path(sys.executable).with_name("chassis"), "check", *arguments]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert (done.returncode, (done.stdout + done.stderr).count("\n")) == (code, 1)
    assert (done.stdout + done.stderr).startswith(said)
