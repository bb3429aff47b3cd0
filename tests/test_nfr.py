"""`chassis nfr` speaks of every quality attribute, and names only proofs that exist."""

import json
from pathlib import Path

import pytest
from chassis_core.cli import app
from chassis_core.cli.explained import concerns, terms
from chassis_core.cli.explained.attributes import attributes
from typer.testing import CliRunner

ROOT = Path(__file__).parents[1]
ATTRIBUTES = attributes()
PROOFS = sorted({proof for one in ATTRIBUTES for proof in one.proofs}, key=str)
NAMES = """
security, compliance, regulations, auditability,
fault tolerance, reliability, availability, recoverability, observability, debuggability,
maintainability, testability, extensibility, upgradability, serviceability, manageability,
scalability, responsiveness, timeliness, affordability,
deployability, usability,
deterministic foundation for non-deterministic authors
"""


def test_every_attribute_is_there_once_in_its_order():
    assert len(ATTRIBUTES) == 23
    assert [one.name for one in ATTRIBUTES] == [name.strip() for name in NAMES.split(",")]


@pytest.mark.parametrize("attribute", ATTRIBUTES, ids=lambda one: one.name)
def test_an_attribute_is_carried_by_what_exists_and_proved_by_something(attribute):
    assert attribute.bar
    assert attribute.proofs
    for part in attribute.carried_by:
        assert part in concerns.standard() or (ROOT / part).exists(), part


@pytest.mark.parametrize("proof", [one for one in PROOFS if one.test], ids=str)
def test_a_test_that_is_a_proof_exists(functions_of, proof):
    path, _, name = proof.test.partition("::")
    assert name in functions_of(path)


@pytest.mark.parametrize("proof", [one for one in PROOFS if not one.test], ids=str)
def test_a_promise_a_script_and_a_page_of_figures_exist(proof):
    assert proof.promise or proof.script or proof.figures
    assert not proof.promise or proof.promise in terms.promises()
    if proof.script:
        path = ROOT / proof.script.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()
    if proof.figures:
        page = (ROOT / proof.figures).read_text("utf-8")
        assert not proof.script or f"python -m {proof.script}" in page


def test_the_command_prints_each_with_what_is_lacking():
    told = CliRunner().invoke(app, ["nfr"]).output
    rows = json.loads(CliRunner().invoke(app, ["nfr", "--json"]).output)
    assert [row["name"] for row in rows] == [one.name for one in ATTRIBUTES]
    for one in ATTRIBUTES:
        assert f"{one.name} ({one.group})\n" in told
        assert all(f" {proof}\n" in told for proof in one.proofs)
    assert told.count("\nlacking:    ") == sum(bool(one.lacking) for one in ATTRIBUTES)
    prose = [line for line in told.splitlines() if "::" not in line]
    assert max(len(line) for line in prose) <= 100
