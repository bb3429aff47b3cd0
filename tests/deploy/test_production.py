import importlib.util
import re
from pathlib import Path

import pytest
from dev.manifests import of_kind, pods
from dev.ports import SERVICES

ROOT = Path(__file__).parents[2]
ADMIN = ("/metrics", "/livez", "/readyz", "/startupz", "/info")
SECRET = re.compile(r"(PASSWORD|SECRET|TOKEN|ENCRYPTION_KEY|DATABASE__URL|REDIS__URL)$")


def tool():
    """deploy/k8s/services.py as a module; it needs nothing but Python, so that Tilt can run it."""
    spec = importlib.util.spec_from_file_location("services", ROOT / "deploy/k8s/services.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_is_no_secret_in_production(production):
    assert of_kind(production, "Secret") == []
    for config in of_kind(production, "ConfigMap"):
        assert [name for name in config["data"] if SECRET.search(name)] == []
        assert "://" not in re.sub(r"https?://[\w./-]+", "", str(config["data"]))
    for pod in pods(production):
        for container in pod.containers:
            named = [entry for entry in container.get("env", ()) if "value" in entry]
            assert [entry["name"] for entry in named if SECRET.search(entry["name"])] == []


def test_every_secret_comes_from_the_operators_store(production):
    wanted = {
        source["secretRef"]["name"]
        for pod in pods(production)
        for container in pod.containers
        for source in container.get("envFrom", ())
        if "secretRef" in source
    }
    made = {d["metadata"]["name"] for d in of_kind(production, "ExternalSecret")}
    assert wanted == made


def test_every_image_in_production_is_named_by_its_digest_alone(production):
    for pod in pods(production):
        for container in pod.containers:
            assert re.fullmatch(r"[\w.-]+(/[\w.-]+)+@sha256:[0-9a-f]{64}", container["image"])


def test_nothing_that_is_for_a_developers_cluster_is_in_production(production):
    text = str(production)
    for word in ("local-only", "reload", "/tmp/live", "postgres-", "JWKS_URL=http://127"):
        assert word not in text


def test_the_gateway_never_reaches_the_admin_paths(production):
    routes = of_kind(production, "HTTPRoute")
    assert {d["metadata"]["name"] for d in routes} == set(SERVICES)
    for route in routes:
        for rule in route["spec"]["rules"]:
            for match in (one["path"] for one in rule["matches"]):
                exact = match["type"] == "Exact"
                for path in (*ADMIN, "/openapi.json", "/docs"):
                    assert not path.startswith(match["value"].rstrip("/")) or exact
                    assert path != match["value"]
                assert match["value"].strip("/")


def test_the_gateway_speaks_https_alone_and_redirects_nobody(production):
    (gateway,) = of_kind(production, "Gateway")
    listeners = {one["name"]: one for one in gateway["spec"]["listeners"]}
    assert {one["protocol"] for one in listeners.values()} == {"HTTPS"}
    assert all(one["tls"]["mode"] == "Terminate" for one in listeners.values())
    for route in of_kind(production, "HTTPRoute"):
        assert {one["sectionName"] for one in route["spec"]["parentRefs"]} <= listeners.keys()
        assert not [rule for rule in route["spec"]["rules"] if "filters" in rule]


def test_two_pods_at_least_and_scaling_down_takes_its_time(production):
    for scaler in of_kind(production, "HorizontalPodAutoscaler"):
        spec = scaler["spec"]
        assert 2 <= spec["minReplicas"] < spec["maxReplicas"]
        assert spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] >= 300


def test_a_jobs_name_tells_what_is_in_it(production):
    for service in SERVICES:
        (job,) = [
            d["metadata"]["name"]
            for d in of_kind(production, "Job")
            if d["metadata"]["name"].startswith(f"{service}-migrate-")
        ]
        assert re.fullmatch(rf"{service}-migrate-[0-9a-f]{{10}}", job)


def test_the_suffix_follows_the_content_of_a_job_and_not_its_name():
    suffix = tool().suffix
    job = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {}\nspec:\n  image: {}\n"
    other = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}\n"
    rendered = f"{other}\n---\n{job}"
    assert suffix(rendered.format("a", "b", "one")) == suffix(rendered.format("x", "y", "one"))
    assert suffix(rendered.format("a", "b", "one")) != suffix(rendered.format("a", "b", "two"))


def test_the_written_files_are_up_to_date(capsys):
    assert tool().main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("wrong", ["orders=image:latest", "nobody=i@sha256:" + 64 * "0"])
def test_an_image_without_digest_or_service_is_refused(wrong):
    with pytest.raises(SystemExit, match="must be SERVICE=IMAGE@sha256:DIGEST"):
        tool().main([wrong])
