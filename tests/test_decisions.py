"""A decision is short, and names only what exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "libs/chassis-core/src/chassis_core"
PAGES = sorted((ROOT / "docs/decisions").glob("*.md"))
PATH = re.compile(r"`((?:libs|services|tests|bench|deploy|docs|concerns)/[\w./-]*)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_is_at_most_50_lines_long(page):
    assert len(page.read_text("utf-8").splitlines()) <= 50


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_path_that_a_decision_names_is_there(page):
    named = set(PATH.findall(page.read_text("utf-8")))
    assert not [name for name in named if not ((ROOT / name).exists() or (LIBRARY / name).exists())]
