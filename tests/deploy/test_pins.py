"""The images of others: chosen in one place, pinned everywhere, refreshed by one command."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from dev.console import Trouble
from dev.images import NoEngine, client, images, main

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"[a-z0-9][a-z0-9./-]*:[\w.-]+@sha256:[0-9a-f]{64}")
HOLDERS = ("Dockerfile", "compose.yaml", "deploy/**/*.y*ml", "services/*/deploy/**/*.y*ml")
NEW = f"sha256:{64 * '7'}"


def pins_in(path):
    return set(PINNED.findall(path.read_text()))


def test_every_image_is_pinned_by_tag_and_digest():
    for pin in images({}).values():
        assert PINNED.fullmatch(pin)


def test_no_other_image_stands_anywhere():
    ours = set(images({}).values())
    held = {path: pins_in(path) for pattern in HOLDERS for path in ROOT.glob(pattern)}
    assert len([path for path, pins in held.items() if pins]) >= 3
    for path, pins in held.items():
        strange = {pin for pin in pins if not pin.startswith("registry.example.org/")} - ours
        assert not strange, path


def test_the_dockerfile_and_compose_start_from_the_pins():
    pins = images({})
    for name in ("PYTHON_IMAGE", "UV_IMAGE"):
        assert f"ARG {name}={pins[name]}\n" in (ROOT / "Dockerfile").read_text()
    compose = (ROOT / "compose.yaml").read_text()
    for name, pin in pins.items():
        assert f"${{{name}:-{pin}}}" in compose or name == "KIND_IMAGE"


def test_an_image_can_be_replaced_by_the_environment_and_an_empty_variable_replaces_nothing():
    given = {"REDIS_IMAGE": "mirror.example/redis:8", "UV_IMAGE": ""}
    assert images(given) == images({}) | {"REDIS_IMAGE": "mirror.example/redis:8"}


def fake_docker(folder, script):
    folder.mkdir(exist_ok=True)
    (folder / "docker").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "docker").chmod(0o755)
    return str(folder)


@pytest.fixture
def refresh(copy, tmp_path):
    """Run the script on a fresh copy, with a registry that has the same digest for every tag."""
    subprocess.run(["git", "init", "-q"], cwd=copy, check=True)
    path = fake_docker(tmp_path / "bin", f'echo "$4" >>{tmp_path}/asked\necho {NEW}')

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "deploy/refresh_digests.py", *arguments],
            cwd=copy,
            env=os.environ | {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_refresh_writes_the_new_digest_wherever_the_pin_stood(refresh, copy, tmp_path):
    old = images({})
    assert refresh().returncode == 0
    asked = (tmp_path / "asked").read_text().split()
    assert asked == [pin.partition("@")[0] for pin in old.values()]
    stale = [pin for pattern in HOLDERS for path in copy.glob(pattern) for pin in pins_in(path)]
    assert not set(stale) & set(old.values())
    for pin in old.values():
        assert f"={pin.partition('@')[0]}@{NEW}\n" in (copy / "deploy/images.env").read_text()


def test_a_refresh_can_move_one_image_to_another_tag_and_leaves_the_rest(refresh, copy):
    done = refresh("REDIS_IMAGE=redis:9.0.0-alpine")
    assert done.returncode == 0, done.stderr
    after = (copy / "deploy/images.env").read_text()
    assert f"\nREDIS_IMAGE=redis:9.0.0-alpine@{NEW}\n" in after
    assert after.count(NEW) == 1
    assert f"redis:9.0.0-alpine@{NEW}" in (copy / "compose.yaml").read_text()


def test_a_refresh_of_an_image_that_is_none_is_refused(refresh):
    done = refresh("RADIS_IMAGE")
    assert done.returncode == 1
    assert "images.env has no RADIS_IMAGE" in done.stderr


def test_a_client_without_buildkit_is_passed_over_for_one_that_has_it(tmp_path, monkeypatch):
    old = fake_docker(tmp_path / "old", 'test "$1" = info')
    new = fake_docker(tmp_path / "new", "exit 0")
    monkeypatch.setenv("PATH", os.pathsep.join([old, new]))
    assert client() == f"{new}/docker"


@pytest.mark.parametrize(
    "script, missing",
    [
        (None, "no docker on PATH"),
        ("exit 1", "no Docker engine answers"),
        ('test "$1" = info', "docker has no BuildKit"),
    ],
)
def test_what_is_missing_for_a_build_is_named(tmp_path, monkeypatch, script, missing):
    path = fake_docker(tmp_path / "bin", script) if script else str(tmp_path)
    monkeypatch.setenv("PATH", path)
    with pytest.raises(NoEngine, match=missing):
        client()


def test_an_image_of_no_service_is_refused():
    with pytest.raises(Trouble, match="no service order; there are users, orders"):
        main(["order"])
