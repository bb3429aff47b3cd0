"""`docs/security.md` answers for every requirement once, and names only proofs that exist."""

import re
from pathlib import Path

import pytest
from chassis_core.cli.explained import terms

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/security.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if re.match(r"\| (\d|API)", line)
]
HELD = [row for row in ROWS if len(row) == 4]
TESTS = sorted(set(re.findall(r"`([\w./]+::\w+)`", PAGE)))
TERMS = sorted(set(re.findall(r"(promise|rule) `([\w-]+)`", PAGE)))
NUMBER = re.compile(r"\d+\.\d+\.\d+")
LEAST = """
4.1.3 4.2.1 9.1.1 9.1.2 9.1.3 9.2.1 9.2.2 9.2.3 13.1.2 13.1.3 13.4.4 13.4.5
16.3.1 16.3.2 16.4.1 16.5.1 16.5.2 16.5.3 16.5.4
"""


def file_of(path):
    """Return where a file is that the page names in short."""
    service, _, below = path.partition("/")
    if service == "tests":
        return path
    in_service = f"services/{service}/tests/{below}"
    return in_service if service in {"users", "orders"} else f"libs/chassis-core/tests/{path}"


def test_it_is_short_and_has_every_risk_and_at_least_forty_rows_of_asvs():
    assert len(PAGE.splitlines()) <= 150
    risks = [row[0] for row in ROWS if row[0].startswith("API")]
    assert risks == [f"API{number}" for number in range(1, 11)]
    assert len(HELD) - len(risks) >= 40


def test_no_requirement_stands_in_two_rows_and_what_must_be_held_is():
    named = [number for row in ROWS for number in NUMBER.findall(row[0])]
    assert len(named) == len(set(named))
    held = {number for row in HELD for number in NUMBER.findall(row[0])}
    assert held >= set(LEAST.split())


@pytest.mark.parametrize("row", HELD, ids=lambda row: row[0])
def test_every_row_is_proved_by_a_test_a_promise_or_a_rule(row):
    proofs = re.split(r"<br>|, (?=promise|rule)", row[-1])
    for proof in proofs:
        named = proof.removeprefix("promise ").removeprefix("rule ").strip("`")
        assert named in TESTS or named in {name for _, name in TERMS}, proof


@pytest.mark.parametrize("name", TESTS)
def test_a_test_that_it_names_exists(functions_of, name):
    path, _, test = name.partition("::")
    assert test.startswith("test_")
    assert test in functions_of(file_of(path))


@pytest.mark.parametrize("kind, name", TERMS)
def test_a_promise_and_a_rule_that_it_names_exist(kind, name):
    assert name in (terms.promises() if kind == "promise" else terms.rules())
