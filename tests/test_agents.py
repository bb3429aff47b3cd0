"""What is written for the authors of services, people and agents, is true."""

import re
from importlib.resources import files
from pathlib import Path

import chassis_core
import pytest
from chassis_core import problem
from chassis_core.cli import app
from chassis_core.cli.explained import documents, platform
from chassis_core.contract.changes.history import TRAILER
from dev.__main__ import COMMANDS
from typer.testing import CliRunner

ROOT = Path(__file__).parents[1]
SKILL = files(chassis_core) / ".agents/skills/chassis/SKILL.md"
PAGES = {
    "AGENTS.md": (ROOT / "AGENTS.md").read_text("utf-8"),
    "SKILL.md": SKILL.read_text("utf-8"),
    "contract.md": (ROOT / "docs/contract.md").read_text("utf-8"),
}
PYTHON = {"Annotated", "AsyncClient", "Authorization", "Depends", "SecretStr", "Settings"}
"""Names in the pages that are not of the chassis, and are what they should be."""
NOT_TO_BE_USED = {"BaseHTTPMiddleware", "HTTPException"}
SERVICE = ROOT / "services/orders/src/orders"


def code(text):
    """Return what stands in backticks, and the lines of shell blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [*re.findall(r"`([^`\n]+)`", prose), *lines]


@pytest.mark.parametrize("name", documents.FILES)
def test_the_tables_of_a_document_are_what_the_code_says(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    written = documents.current(ROOT, name)
    assert (ROOT / name).read_text("utf-8") == written, "run ./dev run chassis explain --write"


def test_a_stale_table_is_found_and_written_anew(tmp_path):
    for name in documents.FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text("utf-8"))
    contract = (ROOT / "chassis.toml").read_text("utf-8")
    (tmp_path / "chassis.toml").write_text(contract.replace('"services/**"', '"parts/**"'))
    assert documents.write(tmp_path) == ["AGENTS.md", "docs/contract.md"]
    assert "| extensible | `parts/**` |" in (tmp_path / "AGENTS.md").read_text("utf-8")
    assert documents.write(tmp_path) == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_short(name):
    assert len(PAGES[name].splitlines()) <= 120


@pytest.mark.parametrize("name", PAGES)
def test_every_command_on_a_page_exists(name):
    commands = [row["command"] for row in platform.commands()]
    known = {*commands, *(command.rpartition(" ")[0] for command in commands)} - {"chassis"}
    for line in code(PAGES[name]):
        words = line.removeprefix("./dev run ").split()
        if words[0] == "./dev":
            assert words[1] in COMMANDS, line
        elif words[0] == "chassis" and words[1:] not in ([], ["…"]):
            assert {" ".join(words[:2]), " ".join(words[:3])} & known, line


@pytest.mark.parametrize("name", PAGES)
def test_every_path_on_a_page_exists(name):
    for text in code(PAGES[name]):
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)+|\w+\.(md|py|toml)", text) and text != "./dev":
            assert (ROOT / text).exists() or (SERVICE / text).exists(), text


@pytest.mark.parametrize("name", PAGES)
def test_every_link_on_a_page_leads_somewhere(name):
    for target in re.findall(r"\]\(([^)#]+)\)", PAGES[name]):
        assert (ROOT / "docs" / target).exists(), target


@pytest.mark.parametrize("name", PAGES)
def test_every_class_that_a_page_names_is_there(name):
    known = {*chassis_core.__all__, *vars(problem), *PYTHON, *NOT_TO_BE_USED}
    for text in code(PAGES[name]):
        if (ROOT / text).exists():
            continue
        for word in re.findall(r"\b[A-Z][a-z]+[A-Z]?\w*\b|\b[A-Z]+_[A-Z]+\b", text):
            assert word in known or text.startswith(("ORDERS_", TRAILER)), (word, text)


def test_what_the_skill_asks_is_answered(monkeypatch):
    monkeypatch.chdir(ROOT)
    asked = [line.split() for line in code(PAGES["SKILL.md"]) if line.startswith("chassis explain")]
    things = [words[2:] for words in asked if words[2:] != ["RULE"]]
    assert len(things) == 7
    for thing in things:
        done = CliRunner().invoke(app, ["explain", *thing])
        assert done.exit_code == 0, done.output


def test_the_skill_has_the_front_matter_of_its_format():
    _, head, _ = PAGES["SKILL.md"].split("---\n", 2)
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    assert fields.keys() == {"name", "description"}
    assert fields["name"] == SKILL.parent.name
    assert len(fields["description"]) <= 1024
