"""A real Prometheus takes the configuration, scrapes both services and answers every panel."""

import json
import re
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager

import httpx2
import pytest
import yaml
from dev.ports import SERVICES
from dev.waiting import until

# The services are young and well: nothing was retried, and nothing has burnt for days.
EMPTY = {"Retries wanted"}
VARIABLES = {"$__rate_interval": "15s", "$__range": "5m"}


def read(folder, name):
    return yaml.safe_load((folder / "prometheus" / name).read_text())


def job(config, name="chassis"):
    [found] = [each for each in config["scrape_configs"] if each["job_name"] == name]
    return found


def test_promtool_takes_the_rules_and_the_configuration(promtool, folder):
    rules = sorted((folder / "prometheus/rules").glob("*.yml"))
    config = folder / "prometheus/prometheus.yml"
    for command in (["check", "rules", *rules], ["check", "config", config]):
        told = subprocess.run([promtool, *command], capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stdout + told.stderr


def test_promtool_takes_the_configuration_of_a_cluster(promtool, folder, tmp_path):
    config = read(folder, "kubernetes.yml")
    # Debian's promtool is built without the discovery of Kubernetes.
    assert job(config).pop("kubernetes_sd_configs") == [
        {"role": "pod", "namespaces": {"names": ["chassis"]}}
    ]
    shutil.copytree(folder / "prometheus/rules", tmp_path / "rules")
    (tmp_path / "config.yml").write_text(yaml.safe_dump(config))
    command = [promtool, "check", "config", tmp_path / "config.yml"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def test_both_configurations_differ_only_in_how_services_are_found(folder):
    here, there = read(folder, "prometheus.yml"), read(folder, "kubernetes.yml")
    for config in (here, there):
        for key in ("file_sd_configs", "kubernetes_sd_configs", "relabel_configs"):
            job(config).pop(key, None)
    assert here == there


def test_every_service_is_a_target_under_its_own_name(folder):
    chassis = job(read(folder, "prometheus.yml"))
    [relabel] = chassis["relabel_configs"]
    files = sorted((folder.parent / "compose/targets").glob("*.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())]
    targets = [target for group in groups for target in group["targets"]]
    names = [re.fullmatch(relabel["regex"], target)[1] for target in targets]
    assert names == [file.stem for file in files] == sorted(SERVICES)
    assert relabel["target_label"] == "service"


def test_the_rules_are_all_that_kustomize_hands_on(folder):
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["configMapGenerator"]
    for name, pattern in {
        "prometheus-rules": "prometheus/rules/*",
        "grafana-dashboards": "grafana/dashboards/*",
    }.items():
        [files] = [each["files"] for each in listed if each["name"] == name]
        assert {folder / file for file in files} == set(folder.glob(pattern))


class Prometheus:
    """A client of a Prometheus."""

    def __init__(self, http):
        self.http = http

    def get(self, path, **parameters):
        answer = self.http.get(f"/api/v1{path}", params=parameters).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression, service="orders"):
        for variable, value in (VARIABLES | {"$service": service}).items():
            expression = expression.replace(variable, value)
        return self.get("/query", query=expression)["result"]


def adapted(folder, fleet):
    """The configuration, with the services where they are in this process."""
    config = read(folder, "prometheus.yml")
    config["global"] |= {"scrape_interval": "2s", "scrape_timeout": "2s"}
    config["global"]["evaluation_interval"] = "1s"
    config["rule_files"] = [str(folder / "prometheus/rules/*.yml")]
    chassis = job(config)
    del chassis["relabel_configs"], chassis["file_sd_configs"]
    chassis["static_configs"] = [
        {"targets": [url.removeprefix("http://")], "labels": {"service": service}}
        for service, url in fleet.urls.items()
    ]
    config["scrape_configs"] = [chassis]
    return config


@contextmanager
def scraping(binary, config, scratch):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    (scratch / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = [
        binary,
        f"--config.file={scratch / 'prometheus.yml'}",
        f"--storage.tsdb.path={scratch / 'data'}",
        f"--web.listen-address={address}",
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
    ]
    client = httpx2.Client(base_url=f"http://{address}", timeout=10)
    with client, subprocess.Popen(command) as process:
        try:
            yield Prometheus(client)
        finally:
            process.terminate()


def up(prometheus):
    try:
        return len(prometheus.query("up == 1")) == 2
    except (httpx2.TransportError, json.JSONDecodeError):  # it does not listen, or is not ready
        return False


@pytest.fixture(scope="module")
def prometheus(folder, fleet, tmp_path_factory):
    """A Prometheus that has watched both services for some seconds of traffic."""
    if (binary := shutil.which("prometheus")) is None:
        pytest.skip("no prometheus: Debian has it")
    scratch = tmp_path_factory.mktemp("prometheus")
    with scraping(binary, adapted(folder, fleet), scratch) as prometheus:
        until(lambda: up(prometheus), 60, "the services are not scraped")
        started = time.monotonic()
        while time.monotonic() < started + 5:
            fleet.visit()
            time.sleep(1)
        until(lambda: prometheus.query("slo:bad:ratio_rate3d"), 60, "the rules are not evaluated")
        yield prometheus


def test_every_rule_is_evaluated_without_an_error(prometheus):
    groups = prometheus.get("/rules")["groups"]
    states = {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}
    assert set(states.values()) == {"ok"}, states


def test_nobody_is_woken_by_services_that_answer(prometheus):
    told = prometheus.query('ALERTS{alertstate="firing", severity="page"}')
    assert told == []


@pytest.mark.parametrize("name", ["fleet.json", "service.json", "slo.json"])
def test_every_panel_has_something_to_show(prometheus, dashboards, name):
    blank = {
        panel["title"]
        for panel in dashboards[name]["panels"]
        for target in panel.get("targets", ())
        if not any(prometheus.query(target["expr"], service) for service in SERVICES)
    }
    assert blank - EMPTY == {"Alerts firing"} & blank, "a panel asks for what is never there"


def test_exemplars_carry_the_ids_of_traces(prometheus):
    now = time.time()
    query = 'http_server_request_duration_seconds_bucket{service="orders"}'
    series = prometheus.get("/query_exemplars", query=query, start=now - 300, end=now)
    ids = [each["labels"]["trace_id"] for one in series for each in one["exemplars"]]
    assert ids
    assert all(re.fullmatch("[0-9a-f]{32}", trace_id) for trace_id in ids), json.dumps(ids)
