"""The dashboards are what their sources say, keep Grafana's schema, and lie well on the screen."""

import configparser
import itertools
import json
import re
import subprocess
import sys

import pytest
import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

NAMES = ("fleet.json", "service.json", "slo.json")
DATASOURCES = ("provisioning/datasources/chassis.yaml", "loki.yaml")
# Of the Prometheus datasource alone, so that the schema of all annotations does not have it.
BEYOND_SCHEMA = {".annotations.list[].titleFormat"}


@pytest.fixture
def grafana(folder):
    return folder / "grafana"


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def test_what_is_committed_is_what_the_sources_make(grafana, dashboards, tmp_path):
    subprocess.run([sys.executable, grafana / "generate.py", tmp_path], check=True)
    made = {file.name: json.loads(file.read_text()) for file in tmp_path.iterdir()}
    assert made == dashboards, "run deploy/observability/grafana/generate.py"
    assert set(made) == set(NAMES)


def lost(before, after, path=""):
    """What of a document the schema did not keep."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            yield from lost(value, after.get(key, f"no {key}"), f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for one, other in zip(before, after, strict=True):
            yield from lost(one, other, f"{path}[]")
    elif before != after:
        yield path


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_keeps_to_the_schema_of_grafana_and_its_panels(dashboards, name):
    plugins.register_default_plugins()
    understood = JSONEncoder().encode(Dashboard.from_json(dashboards[name]))
    assert set(lost(dashboards[name], json.loads(understood))) <= BEYOND_SCHEMA


def test_an_option_that_no_panel_has_is_found(dashboards):
    plugins.register_default_plugins()
    wrong = json.loads(json.dumps(dashboards["slo.json"]))
    stat = next(panel for panel in panels(wrong) if panel["type"] == "stat")
    stat["options"]["colourMode"] = "value"
    understood = json.loads(JSONEncoder().encode(Dashboard.from_json(wrong)))
    assert set(lost(wrong, understood)) - BEYOND_SCHEMA == {".panels[].options.colourMode"}


@pytest.mark.parametrize("name", NAMES)
def test_panels_have_names_units_and_queries_of_their_own(dashboards, name):
    dashboard = dashboards[name]
    for key in ("id", "title"):
        values = [panel[key] for panel in dashboard["panels"]]
        assert len(values) == len(set(values)), f"two panels of one {key}"
    for panel in panels(dashboard):
        letters = [target["refId"] for target in panel["targets"]]
        assert letters, panel["title"]
        assert len(letters) == len(set(letters))
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@pytest.mark.parametrize("name", NAMES)
def test_panels_do_not_overlap_or_leave_the_screen(dashboards, name):
    places = [(panel["title"], panel["gridPos"]) for panel in dashboards[name]["panels"]]
    for title, place in places:
        assert place["x"] + place["w"] <= 24, title
    for (one, a), (other, b) in itertools.combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or above, f"{one} covers {other}"


def found(document, key):
    """Every value under `key`, however deep."""
    if isinstance(document, dict):
        for name, value in document.items():
            if name == key:
                yield value
            yield from found(value, key)
    elif isinstance(document, list):
        for each in document:
            yield from found(each, key)


def test_every_datasource_that_is_named_is_provisioned(grafana, dashboards):
    files = [yaml.safe_load((grafana / name).read_text()) for name in DATASOURCES]
    sources = {each["uid"]: each["type"] for file in files for each in file["datasources"]}
    assert sources == {"prometheus": "prometheus", "jaeger": "jaeger", "loki": "loki"}
    for dashboard in dashboards.values():
        for named in found(dashboard, "datasource"):
            assert sources[named["uid"]] == named["type"]
    assert set(found(files, "datasourceUid")) <= set(sources)


def test_a_point_of_latency_leads_to_its_trace(grafana, dashboards, fleet):
    files = yaml.safe_load((grafana / DATASOURCES[0]).read_text())
    [prometheus] = [each for each in files["datasources"] if each["type"] == "prometheus"]
    [link] = prometheus["jsonData"]["exemplarTraceIdDestinations"]
    exposed = fleet.scrape("users", accept="application/openmetrics-text; version=1.0.0")
    assert re.search(rf'_bucket{{.*}} .* # {{{link["name"]}="[0-9a-f]{{32}}"}}', exposed)
    targets = [each for panel in panels(dashboards["service.json"]) for each in panel["targets"]]
    assert any(target["exemplar"] for target in targets)


def test_links_between_dashboards_lead_somewhere(dashboards):
    uids = [dashboard["uid"] for dashboard in dashboards.values()]
    assert len(set(uids)) == len(uids)
    linked = re.findall(r"/d/([\w-]+)", json.dumps(dashboards))
    assert set(linked) <= set(uids)
    assert linked


def test_the_provider_reads_the_folder_that_compose_mounts(grafana):
    provided = yaml.safe_load((grafana / "provisioning/dashboards/chassis.yaml").read_text())
    [provider] = provided["providers"]
    path = provider["options"]["path"]
    compose = yaml.safe_load((grafana.parents[2] / "compose.yaml").read_text())
    mounts = [each.split(":")[1] for each in compose["services"]["grafana"]["volumes"]]
    assert path in mounts
    assert not provider["allowUiUpdates"]


def test_nobody_is_let_in_without_a_name_unless_someone_says_so(grafana):
    settings = configparser.ConfigParser()
    settings.read(grafana / "grafana.ini")
    assert not settings.getboolean("auth.anonymous", "enabled")
    assert settings.get("auth.anonymous", "org_role") == "Viewer"
    assert not settings.getboolean("users", "allow_sign_up")
    assert "admin_password" not in settings["security"]
