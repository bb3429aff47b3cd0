"""`chassis new service`: what it writes, and that it writes nothing when it refuses."""

import json
import subprocess
import sys
import tomllib
from hashlib import sha256
from pathlib import Path

import pytest
import yaml
from chassis_core.cli import app
from chassis_core.cli.scaffold import Refused, planned, steps
from chassis_core.contract import load
from typer.testing import CliRunner

RUFF = Path(sys.executable).with_name("ruff")


def new(*arguments):
    return CliRunner().invoke(app, ["new", "service", *arguments])


def test_it_is_entered_wherever_services_are_named(platform):
    made = new("payments")
    assert made.exit_code == 0, made.output
    assert (load(platform).services["payments"].port, "orders") == (8003, "orders")
    project = tomllib.loads((platform / "pyproject.toml").read_text())
    assert "payments" in project["dependency-groups"]["dev"]
    assert project["tool"]["uv"]["sources"]["payments"] == {"workspace": True}
    assert "services/payments/src" in project["tool"]["mypy"]["files"]
    independent, library, services = project["tool"]["importlinter"]["contracts"][:3]
    assert "payments" in independent["modules"]
    assert "payments" in library["forbidden_modules"]
    assert "payments" in services["source_modules"]
    compose = yaml.safe_load((platform / "compose.yaml").read_text())["services"]
    assert compose["payments-migrate"]["environment"] == compose["payments"]["environment"]
    for overlay in ("local", "production"):
        listed = platform / f"deploy/k8s/overlays/{overlay}/services/kustomization.yaml"
        assert f"services/payments/deploy/{overlay}" in listed.read_text()


def test_the_shared_files_only_grow(platform, files):
    before = files()
    assert new("payments").exit_code == 0
    after = files()
    for name, content in before.items():
        grown = iter(after[name].splitlines())
        kept = [
            line for line in content.splitlines() if b'"orders"' not in line or b"[" not in line
        ]
        kept = [line for line in kept if b"services/orders/src" not in line]
        assert all(line in grown for line in kept), name


def test_it_names_the_files_and_the_next_three_commands(platform):
    *files, summary, one, two, three = new("payments").output.splitlines()
    assert "make services/payments/src/payments/main.py" in files
    assert "edit chassis.toml" in files
    assert summary == "payments is a service, on port 8003 and admin port 9003. Next:"
    assert [one, two, three] == ["  ./dev test services/payments", "  ./dev check", "  ./dev up"]


def test_main_has_eleven_lines_and_a_test_at_most_ten(platform):
    made = planned(platform, "payments").made
    lines = [line for line in made["services/payments/src/payments/main.py"].splitlines() if line]
    assert len(lines) <= 11
    tests = made["services/payments/tests/test_api.py"].split("\n\n\n")[1:]
    assert max(len(test.strip().splitlines()) for test in tests) <= 10


def test_each_gets_the_next_ports_or_those_that_are_asked_for(platform):
    assert new("payments", "--port", "8100", "--admin-port", "9100").exit_code == 0
    assert new("shipping").exit_code == 0
    ports = {name: (one.port, one.admin_port) for name, one in load(platform).services.items()}
    assert (ports["payments"], ports["shipping"]) == ((8100, 9100), (8101, 9101))


def test_a_dry_run_says_all_and_does_nothing(platform, files):
    before = files()
    told = new("payments", "--dry-run").output
    assert "would make services/payments/pyproject.toml" in told
    assert "would edit compose.yaml" in told
    assert files() == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("orders", "orders is a service already"),
        ("json", "json is the name of a package"),
        ("test", "test is the name of a package"),
        ("sqlalchemy", "sqlalchemy is the name of a package"),
        ("pyyaml", "pyyaml is the name of a package"),
        ("postgres", "postgres means something else"),
        ("redis", "redis means something else"),
        ("class", "class means something else"),
        ("otel", "otel means something else"),
        ("on", "on means something else"),
        ("public", "public means something else"),
        ("none", "none means something else"),
        ("pg", "pg means something else"),
        ("template0", "template0 means something else"),
        ("template1", "template1 means something else"),
        ("default-deny", "default-deny means something else"),
        ("called-users", "called-users means something else"),
        ("calls-users", "calls-users means something else"),
        ("managed-postgres", "managed-postgres means something else"),
        ("managed-redis", "managed-redis means something else"),
        ("provision", "provision means something else"),
        ("service", "service means something else"),
        ("migrate", "migrate means something else"),
        ("deploy", "deploy is there already"),
        ("users-archive", "USERS_ARCHIVE_ and USERS_ begin alike"),
        ("Payments", "'Payments' is no name of a service"),
        ("../payments", "'../payments' is no name of a service"),
        ("p" * 31, "is no name of a service"),
    ],
)
def test_a_name_that_means_something_is_refused(platform, files, name, said):
    before = files()
    refused = new(name)
    assert refused.exit_code == 1
    assert said in refused.output
    assert files() == before


def test_a_port_of_another_is_refused(platform, files):
    before = files()
    assert (
        "port 9001 of payments is one of users already" in new("payments", "--port", "9001").output
    )
    assert files() == before


@pytest.mark.parametrize(
    "path", ["services/payments/notes.md", "deploy/compose/targets/payments.yml"]
)
def test_nothing_is_overwritten(platform, files, path):
    (platform / path).parent.mkdir(parents=True, exist_ok=True)
    (platform / path).write_text("mine")
    before = files()
    refused = new("payments")
    assert refused.exit_code == 1
    assert str(Path(path).parent) in refused.output
    assert files() == before


@pytest.mark.parametrize(
    ("file", "anchor", "instead"),
    [
        ("compose.yaml", "\nservices:\n", "\nservices: # ours\n"),
        ("compose.yaml", "  postgres:\n    <<", "  database:\n    <<"),
        ("pyproject.toml", "[tool.uv.sources]", "[tool.uv.more]"),
        ("pyproject.toml", 'root_packages = ["chassis_core", "dev", ', "root_packages = ["),
        ("pyproject.toml", ', "services/orders/src"]', "]"),
        ("chassis.toml", "port = 8002\n", "port = 8002\n# public\n"),
    ],
)
def test_a_file_without_a_place_for_services_is_named_before_anything_is_written(
    platform, files, file, anchor, instead
):
    text = (platform / file).read_text()
    assert anchor in text
    (platform / file).write_text(text.replace(anchor, instead).replace('"users", "orders"]', "]"))
    before = files()
    refused = new("payments")
    assert (refused.exit_code, refused.output.startswith(f"payments: {file}: ")) == (1, True)
    assert files() == before


def test_outside_of_a_platform_the_fix_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "go to a platform first" in new("payments").output


def test_without_uv_nothing_is_written(platform, files, monkeypatch):
    monkeypatch.setenv("UV", "/nowhere/uv")
    monkeypatch.setenv("PATH", "/nowhere")
    before = files()
    assert "there is no uv" in new("payments").output
    assert files() == before


def test_what_cannot_be_written_as_a_whole_is_not_written_at_all(platform, files):
    plan = planned(platform, "payments")
    (platform / "chassis.lock").mkdir()
    (platform / "chassis.lock/file").write_text("in the way")
    before = files()
    with pytest.raises(Refused, match="nothing is written: "):
        plan.write()
    assert files() == before


def test_a_lock_that_cannot_be_read_is_not_overwritten(platform, files):
    (platform / "chassis.lock").write_text("<<<<<<< HEAD")
    before = files()
    assert "chassis.lock: take it back from git" in new("payments").output
    assert files() == before


def test_a_step_that_fails_is_named_with_the_commands_that_finish(platform, monkeypatch):
    monkeypatch.setenv("UV", "false")
    refused = new("payments")
    assert refused.exit_code == 1
    told, finish = refused.output.split("finish with:\n")
    assert "false lock failed: exit code 1" in told
    assert [line.split()[1:] for line in finish.splitlines()] == [
        ["lock"],
        ["sync", "--all-packages", "--locked"],
    ]
    assert (platform / "services/payments/deploy/production/release/kustomization.yaml").exists()


def test_the_lock_has_the_version_and_the_hash_of_every_file(platform):
    new("payments")
    record = json.loads((platform / "chassis.lock").read_text())["payments"]
    assert record["chassis_core"] == "0.1.0"
    assert len(record["files"]) > 15
    for path, digest in record["files"].items():
        assert sha256((platform / path).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize(
    "name",
    [
        "payments",
        "s",
        "accounts",
        "zebra-crossings",
        "exceptions",
        "sessions",
        "responses",
        "x",
        "q" * 30,
    ],
)
def test_whatever_its_name_the_source_is_formatted_and_clean(platform, name):
    planned(platform, name).write()
    for command in (["format", "--check"], ["check"]):
        whole = [RUFF, *command, "--no-cache", f"services/{name}"]
        done = subprocess.run(whole, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_interrupted_between_its_steps_it_says_what_finishes_them(tmp_path):
    interrupt = "import os, signal; os.kill(os.getppid(), signal.SIGINT)"
    left = ("uv", "sync")
    with pytest.raises(steps.Unfinished, match=r"interrupted\nAll files are written(.|\n)*uv sync"):
        steps.run(tmp_path, [(sys.executable, "-c", interrupt), left])
