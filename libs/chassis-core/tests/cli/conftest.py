"""A platform to make services on, and services to install."""

import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
SHARED = ("chassis.toml", "pyproject.toml", "compose.yaml", "uv.lock")

SERVICE = {
    "{0}-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: {0}\nVersion: 1.0\n",
    "{0}-1.0.dist-info/entry_points.txt": "[chassis.services]\n{0} = {0}.main:app\n",
    "{0}/__init__.py": "",
    "{0}/settings.py": """
from chassis_core import ServiceSettings
from pydantic_settings import SettingsConfigDict

class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="{1}_")
    name: str = "{0}"
""",
    "{0}/migrations/env.py": """
from chassis_core.migrations import run
from sqlalchemy import Column, Integer, MetaData, Table

metadata = MetaData()
Table("{2}", metadata, Column("id", Integer, primary_key=True))
run(metadata)
""",
}


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a service of a name, with a model of one table and with the files that it adds."""
    installed = []

    def put(name, files, *, table):
        words = (name, name.upper(), table)
        common = {path.format(*words): text.format(*words) for path, text in SERVICE.items()}
        for path, content in (common | files).items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(content)
        (tmp_path / name / "migrations/versions").mkdir(exist_ok=True)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv(f"{name.upper()}_DATABASE__URL", f"sqlite:///{tmp_path}/data/{name}.db")
        installed.append(name)
        return tmp_path

    yield put
    for module in [module for module in sys.modules if module.partition(".")[0] in installed]:
        del sys.modules[module]


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
