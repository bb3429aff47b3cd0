"""`compose.yaml`: everything there, out of others' reach, and without a secret."""

import os
import re
import subprocess
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from chassis_core.contract import package_of, prefix_of
from dev.images import images
from dev.ports import SERVICES, port

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE = yaml.safe_load(re.sub(r"\$\{(\w+):-([^}]+)\}", r"\2", TEXT))
PARTS = COMPOSE["services"]
OURS = {f"{service}{suffix}" for service in SERVICES for suffix in ("", "-migrate")}
PASSWORD = "development-only"


@pytest.fixture(params=PARTS)
def part(request):
    return request.param, PARTS[request.param]


def test_the_platform_and_all_that_watches_it_are_there():
    assert PARTS.keys() == OURS | {
        "postgres", "redis", "otel-collector", "jaeger", "prometheus", "grafana",
    }  # fmt: skip


def test_every_part_is_hardened(part):
    _, settings = part
    assert settings["read_only"] is True
    assert settings["cap_drop"] == ["ALL"]
    assert settings["security_opt"] == ["no-new-privileges:true"]
    assert int(settings["user"].partition(":")[0]) > 0
    assert settings["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert not settings.keys() & {"privileged", "cap_add", "network_mode", "pid", "ipc"}


def test_what_ends_is_started_again_and_a_migration_that_fails_a_few_times(part):
    name, settings = part
    migrates = name.endswith("-migrate")
    assert settings["restart"] == ("on-failure:3" if migrates else "unless-stopped")


def test_every_port_is_on_this_machine_only(part):
    _, settings = part
    for published in settings.get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:(\d+):\1", published)


def test_the_stores_and_the_collector_are_not_published():
    for name in ("postgres", "redis", "otel-collector"):
        assert "ports" not in PARTS[name]


def test_what_is_mounted_is_there_and_cannot_be_written(part):
    _, settings = part
    for volume in settings.get("volumes", []):
        source, _, mode = volume.partition(":")[0], *volume.rpartition(":")[1:]
        if source.startswith("."):
            assert (ROOT / source).exists()
            assert mode == "ro"
        else:
            assert source in COMPOSE["volumes"]


def test_every_image_is_pinned_or_built_here(part):
    name, settings = part
    if name in OURS:
        service = name.removesuffix("-migrate")
        assert settings["image"] == f"chassis/{service}:dev"
        assert settings["build"]["args"] == {
            "SERVICE": service,
            "PORT": str(port({}, service)),
            "ADMIN_PORT": str(port({}, service, admin=True)),
            "PYTHON_IMAGE": images({})["PYTHON_IMAGE"],
            "UV_IMAGE": images({})["UV_IMAGE"],
        }
    else:
        assert settings["image"] in images({}).values()


def test_a_service_starts_after_its_migration_and_when_its_stores_answer():
    for service in SERVICES:
        waits = {name: how["condition"] for name, how in PARTS[service]["depends_on"].items()}
        assert waits[f"{service}-migrate"] == "service_completed_successfully"
        assert waits["redis"] == "service_healthy"
        migration = PARTS[f"{service}-migrate"]
        assert migration["command"] == ["migrate"]
        assert migration["depends_on"] == {"postgres": {"condition": "service_healthy"}}
        assert migration["environment"] == PARTS[service]["environment"]


def test_whoever_is_waited_for_says_when_it_is_healthy():
    awaited = {
        name
        for settings in PARTS.values()
        for name, how in settings.get("depends_on", {}).items()
        if how["condition"] == "service_healthy"
    }
    assert awaited == {"postgres", "redis", "users", "prometheus"}
    for name in awaited:
        assert PARTS[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("service", SERVICES)
def test_the_environment_is_one_that_the_service_starts_with(service, monkeypatch, foreign_free):
    for name in os.environ.keys() - foreign_free.keys():
        monkeypatch.delenv(name)
    for name, value in PARTS[service]["environment"].items():
        monkeypatch.setenv(name, value)
    settings = import_module(f"{package_of(service)}.settings").Settings()
    assert settings.environment == "development"
    assert settings.database.url.get_secret_value().endswith(f"@postgres:5432/{service}")
    assert settings.auth.issuer == f"http://127.0.0.1:{port({}, 'users')}"


def test_each_service_has_a_database_and_a_role_of_its_own():
    for service in SERVICES:
        made = (ROOT / f"deploy/compose/databases/{service}.sql").read_text()
        url = PARTS[service]["environment"][f"{prefix_of(service)}DATABASE__URL"]
        assert url == f"postgresql://{service}:{PASSWORD}@postgres:5432/{service}"
        assert f"CREATE ROLE \"{service}\" LOGIN PASSWORD '{PASSWORD}';" in made
        assert f'CREATE DATABASE "{service}" OWNER "{service}";' in made
        assert f'REVOKE ALL ON DATABASE "{service}" FROM PUBLIC;' in made


def test_the_only_password_says_that_it_is_none():
    for settings in PARTS.values():
        for name, value in settings.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|KEY|TOKEN", name):
                assert value == PASSWORD


def test_prometheus_asks_the_services_where_they_are():
    config = yaml.safe_load((ROOT / "deploy/observability/prometheus/prometheus.yml").read_text())
    (files,) = config["scrape_configs"][0]["file_sd_configs"][0]["files"]
    mounted = [volume.split(":") for volume in PARTS["prometheus"]["volumes"]]
    (folder,) = [ours for ours, inside, *_ in mounted if inside == str(Path(files).parent)]
    found = (ROOT / folder).glob(Path(files).name)
    groups = [group for file in found for group in yaml.safe_load(file.read_text())]
    groups += [group for job in config["scrape_configs"][1:] for group in job["static_configs"]]
    targets = {target for group in groups for target in group["targets"]}
    assert {f"{service}:{port({}, service, admin=True)}" for service in SERVICES} <= targets
    assert {target.partition(":")[0] for target in targets} - {"localhost"} <= PARTS.keys()


def test_compose_itself_accepts_the_file(foreign_free):
    compose = ["docker", "compose"]
    asked = subprocess.run([*compose, "version"], capture_output=True, check=False)
    if asked.returncode:
        pytest.skip("docker has no compose plug-in: compose.yaml is only checked by our own rules")
    command = [*compose, "--project-directory", str(ROOT), "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, env=foreign_free, check=False)
    assert (done.returncode, done.stderr) == (0, "")
