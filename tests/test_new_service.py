"""A service that `chassis new service` has made in a fresh copy, before anyone edits a line."""

import json
import os
import socket
import subprocess
from pathlib import Path

import httpx2
import pytest
from dev import manifests
from dev.ports import setting
from dev.visitor import Visitor
from dev.waiting import until
from prometheus_client.parser import text_string_to_metric_families

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.timeout(600)]
NAME = "stamp-cards"
PATH = f"/v1/{NAME}"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture(scope="module")
def environment(clean_environment):
    if "UV" not in os.environ:
        pytest.skip("a copy is installed with the uv of ./dev: run the tests as ./dev test")
    path = f"{Path(os.environ['UV']).parent}{os.pathsep}{os.environ['PATH']}"
    return clean_environment | {"PATH": path, "NO_COLOR": "1"}


@pytest.fixture(scope="module")
def run(copied, environment, tmp_path_factory):
    """Run a command in a copy of the repository in which the service was made."""
    clone = copied(tmp_path_factory.mktemp("new") / "clone")

    def run(*command):
        done = subprocess.run(
            command, cwd=clone, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-5000:]}{done.stderr[-5000:]}"
        return done.stdout

    run.clone = clone
    made = run("./dev", "run", "chassis", "new", "service", NAME)
    assert made.endswith(f"Next:\n  ./dev test services/{NAME}\n  ./dev check\n  ./dev up\n")
    return run


def test_every_check_of_the_platform_passes(run):
    assert "✗" not in run("./dev", "check")


def test_its_own_tests_pass(run):
    told = run("./dev", "test", f"services/{NAME}", "-n", "0")
    assert " passed" in told


@pytest.mark.parametrize("overlay", ["local", "production"])
def test_it_is_deployed(run, overlay):
    documents = manifests.render(run.clone / "deploy/k8s/overlays" / overlay)
    deployments = manifests.of_kind(documents, "Deployment")
    assert NAME in {one["metadata"]["name"] for one in deployments}


@pytest.fixture(scope="module")
def ports(free_ports):
    """Settings that put every service on free ports."""
    return free_ports() | {setting(NAME, admin=admin): free_port() for admin in (False, True)}


@pytest.fixture(scope="module")
def urls(run, environment, ports):
    """Where the platform listens, which `./dev up` runs with the new service in it."""
    options = {"cwd": run.clone, "env": environment | ports}
    process = subprocess.Popen(["./dev", "up"], stdout=subprocess.PIPE, text=True, **options)
    try:
        until(lambda: process.stdout.readline().startswith("Ctrl-C"), 120, "up is not ready")
        yield json.loads((run.clone / ".chassis/platform.json").read_text())["urls"]
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture(scope="module")
def admin(urls, ports):
    """A client of its admin listener."""
    url = f"http://127.0.0.1:{ports[setting(NAME, admin=True)]}"
    with httpx2.Client(base_url=url) as client:
        yield client


@pytest.fixture(scope="module")
def created(urls):
    """What a registered person is answered who creates something."""
    with Visitor(urls, "ada") as ada:
        ada.register("Ada")
        headers = {"Authorization": f"Bearer {ada.log_in()}", "Idempotency-Key": "first"}
    return httpx2.post(f"{urls[NAME]}{PATH}", json={"title": "ten teas"}, headers=headers)


def test_it_is_ready(admin):
    assert admin.get("/readyz").status_code == 200


def test_its_migrations_make_what_its_models_say(run, urls):
    assert run("./dev", "run", "chassis", "migrate", NAME, "--check") == f"{NAME}: done\n"


def test_it_is_authenticated(urls, created):
    assert httpx2.post(f"{urls[NAME]}{PATH}", json={"title": "tea"}).status_code == 401
    assert created.status_code == 201, created.text
    assert httpx2.get(f"{urls[NAME]}{created.headers['location']}").status_code == 401


def test_it_is_limited(created):
    assert '"create_stamp_card";q=30;w=60' in created.headers["ratelimit-policy"]
    assert "ratelimit" in created.headers


def test_it_is_observed(run, created, admin):
    families = text_string_to_metric_families(admin.get("/metrics").text)
    counted = [s.labels for family in families for s in family.samples if "http_route" in s.labels]
    assert (PATH, "201") in {(c["http_route"], c["http_response_status_code"]) for c in counted}
    lines = (run.clone / f".chassis/logs/{NAME}.log").read_text().splitlines()
    wanted = created.headers["x-request-id"]
    (line,) = [json.loads(line) for line in lines if wanted in line and '"request"' in line]
    assert line["service"] == NAME
    spans = run("./dev", "trace", line["trace_id"])
    assert f"POST {PATH}" in spans
