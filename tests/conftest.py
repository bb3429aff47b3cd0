import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def copy(tmp_path):
    """A fresh copy of the repository: what git tracks, and what it would if it were added."""
    listed = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True
    )
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            target = tmp_path / "clone" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    return tmp_path / "clone"


@pytest.fixture
def clean_environment():
    """The environment without what belongs to this test run."""
    ours = ("PYTEST_", "UV_PROJECT_ENVIRONMENT", "CHASSIS_", "VIRTUAL_ENV", "COV_", "_PYTEST")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
