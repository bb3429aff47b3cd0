"""Bad edits of the services are caught by `chassis check` or `verify`; good ones raise nothing."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from contextlib import contextmanager
from pathlib import Path

import pytest
from chassis_core.cli.scaffold.plan import planned
from chassis_core.contract.checking import check
from chassis_core.contract.rules import RULES

ROOT = Path(__file__).parents[1]
NEW = "services/orders/src/orders/new.py"
CHASSIS = Path(sys.executable).with_name("chassis")


def edits(name):
    """Return a table of edits: of `file`, `old` becomes `new`, or `new` is added at its end."""
    return tomllib.loads((ROOT / f"tests/tampering/{name}.toml").read_text("utf-8"))["edit"]


BAD, GOOD = edits("bad"), edits("good")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of what a service's author works on, with a service that is new."""
    root = tmp_path_factory.mktemp("platform")
    leave = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(ROOT / "services", root / "services", ignore=leave)
    plan = planned(ROOT, "stamps")
    info = "stamps-1.dist-info"
    entry = "[chassis.services]\nstamps = stamps.main:app\n"
    files = {"chassis.toml": plan.edited["chassis.toml"], f"{info}/entry_points.txt": entry}
    files[f"{info}/METADATA"] = "Metadata-Version: 2.1\nName: stamps\nVersion: 1\n"
    for path, text in [*plan.made.items(), *files.items()]:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")
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


def verdict(root, edit):
    """Return what comes of asking the edited service for the promise of the edit."""
    name = edit["file"].split("/")[1]
    command = [CHASSIS, "verify", name, "--only", edit["promise"], "--json"]
    path = os.pathsep.join([str(root), str(root / "services" / name / "src")])
    with edited(root, edit["file"], edit["new"], edit.get("old", "")):
        done = subprocess.run(
            command,
            env=os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.stdout, done.stderr
    (told,) = json.loads(done.stdout)
    return told["outcome"], told["text"]


def test_the_services_as_they_are_keep_the_contract(copy):
    assert list(map(str, check(copy))) == []


def test_every_bad_edit_is_caught_by_its_rule_or_promise(copy, capsys):
    missed = []
    for edit in BAD:
        if "promise" in edit:
            outcome, text = verdict(copy, edit)
            if outcome != "broken" or text.startswith("asking failed"):
                missed.append((edit, outcome, text))
            continue
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
    named = {edit["rule"] for edit in BAD if "rule" in edit}
    assert named == {rule.name for rule in RULES}


def test_no_good_edit_raises_an_alarm(copy, capsys):
    alarms = {edit["what"]: [str(one) for one in findings(copy, edit)] for edit in GOOD}
    asked = {edit["what"]: verdict(copy, edit) for edit in GOOD if "promise" in edit}
    alarms |= {what: found for what, found in asked.items() if found[0] != "kept"}
    alarms = {what: found for what, found in alarms.items() if found}
    with capsys.disabled():
        print(f"\n{len(alarms)} of {len(GOOD)} false alarms")
    assert not alarms, alarms
    assert len(GOOD) >= 25


def test_the_command_says_where_and_what_instead(copy):
    def run(*arguments):
        command = [CHASSIS, "check", *arguments]
        return subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)

    with edited(copy, NEW, "print('x')\n"):
        bad, told = run(), json.loads(run("orders", "--json").stdout)
    assert bad.returncode == 1, bad.stderr
    line, count = bad.stdout.splitlines()
    assert re.fullmatch(rf"{NEW}:1: one-log: print\(\) .*get_logger.*", line)
    assert count == "1 finding"
    assert [(one["rule"], one["path"], one["line"]) for one in told] == [("one-log", NEW, 1)]


def test_the_command_is_content_with_the_services_as_they_are(copy):
    command = [CHASSIS, "check"]
    done = subprocess.run(
        command, cwd=copy / "services", capture_output=True, text=True, check=True
    )
    assert done.stdout == "0 findings\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["order"], 2, "chassis check: there is no service 'order' in chassis.toml; did you mean"),
        (["--since", "HEAD"], 2, "chassis check: there is no commit 'HEAD' here"),
        (["--path", "dev"], 1, "dev: immutable: the foundation"),
        (["--path", "services/orders/x.py"], 0, "services/orders/x.py: extensible: "),
    ],
)
def test_the_command_answers_in_one_line(copy, arguments, code, said):
    command = [CHASSIS, "check", *arguments]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert (done.returncode, (done.stdout + done.stderr).count("\n")) == (code, 1)
    assert (done.stdout + done.stderr).startswith(said)
