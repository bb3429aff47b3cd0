"""The fixture `promise`, as the tests of a service use it."""

import os
import subprocess
import sys
from pathlib import Path

SERVICE = """
from chassis_core import ServiceSettings, create_app
from chassis_core.concerns.cors import CorsSettings
from pydantic_settings import SettingsConfigDict

class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="OPEN_")
    name: str = "open"
    cors: CorsSettings = CorsSettings(allow_origins=("*",))

def app():
    return create_app(Settings())
"""
TESTS = """
SERVICE = "open"

async def test_it_keeps_its_promise(promise):
    await promise()
"""


def test_each_promise_is_a_test_that_passes_fails_or_is_skipped_with_its_reason(tmp_path: Path):
    info = tmp_path / "open-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: open\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[chassis.services]\nopen = open_service:app\n")
    (tmp_path / "open_service.py").write_text(SERVICE)
    (tmp_path / "test_open.py").write_text(TESTS)
    named = "foreign-origins or foreign-hosts or unmigrated"
    options = ["-q", "-rs", "-p", "no:cacheprovider", "-o", "anyio_mode=auto", "-k", named]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 1 passed, 1 skipped" in done.stdout
    assert "name the origins in cors.allow_origins" in done.stdout
    assert "unmigrated-is-not-ready does not apply: the service has no migrations" in done.stdout
