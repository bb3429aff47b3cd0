"""`docs/reliability.md` speaks of every fault, and names only what exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/reliability.md").read_text()
LIBRARY, ORDERS = ROOT / "libs/chassis-core/tests", ROOT / "services/orders/tests"
HELD_BY = re.findall(r"^\| .* \| ([^|]*) \|$", PAGE.partition("\n## ")[0], re.MULTILINE)
NAMED = [name for cell in HELD_BY for name in re.findall(r"`([\w./-]+)[^`]*`", cell)]
MODULES = re.findall(r"python -m ([\w.]+)", PAGE)


def found(name):
    in_orders = ORDERS / name.removeprefix("orders/")
    return [path for path in (ROOT / name, LIBRARY / name, in_orders) if path.exists()]


def test_it_is_short():
    assert len(PAGE.splitlines()) <= 120


def test_every_fault_has_its_row():
    rows = re.findall(r"^\| (F\d+) ", PAGE, re.MULTILINE)
    assert {f"F{number}" for number in range(1, 21)} <= set(rows)


@pytest.mark.parametrize("name", sorted(set(NAMED)))
def test_what_holds_a_bar_is_there(name):
    assert found(name)


@pytest.mark.parametrize("module", sorted(set(MODULES)))
def test_what_is_to_be_run_is_there(module):
    path = ROOT / module.replace(".", "/")
    assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()
