"""A platform to make services on."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
SHARED = ("chassis.toml", "pyproject.toml", "compose.yaml", "uv.lock")


@pytest.fixture
def platform(tmp_path, monkeypatch):
    """What the command reads of this platform, in a folder of its own that is the current one."""
    root = tmp_path / "platform"
    shutil.copytree(ROOT / "deploy", root / "deploy", ignore=shutil.ignore_patterns("grafana"))
    for folder in (ROOT / "services").glob("*/deploy"):
        shutil.copytree(folder, root / folder.relative_to(ROOT))
    for name in SHARED:
        shutil.copy(ROOT / name, root / name)
    monkeypatch.chdir(root)
    monkeypatch.setenv("UV", shutil.which("true"))
    return root


@pytest.fixture
def files(platform):
    """Return every file of the platform with what is in it."""
    return lambda: {
        str(path.relative_to(platform)): path.read_bytes()
        for path in platform.rglob("*")
        if path.is_file()
    }
