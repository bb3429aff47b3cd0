"""Every PromQL expression asks for metrics and labels that a running service really exposes."""

import re
from pathlib import Path

import promql_parser as promql
import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy/observability/prometheus"

# What Prometheus itself adds to a scrape, or makes of the rules.
MADE = {
    "up": set(),
    "ALERTS": {"alertname", "alertstate", "severity", "slo", "window"},
}
# Of the collector, which no test has beside it: read from the /metrics of a running 0.160.
COLLECTOR = {
    "otelcol_exporter_send_failed_spans_total": {"exporter"},
    "otelcol_exporter_enqueue_failed_spans_total": {"exporter"},
    "otelcol_exporter_queue_capacity": {"data_type", "exporter"},
    "otelcol_exporter_queue_size": {"data_type", "exporter"},
    "otelcol_process_memory_rss_bytes": set(),
    "otelcol_receiver_refused_spans_total": {"receiver", "transport"},
}
TARGET = {"job", "instance", "service"}
DURATIONS = {"$__rate_interval": "5m", "$__range": "7d"}


def exposed(registry):
    """The labels of each sample name that the registry exposes, and the values seen of each."""
    labels, values = {}, {}
    for collector in registry._collector_to_names:
        declared = set(getattr(collector, "_labelnames", ()))
        for family in collector.collect():
            for name in samples_of(family):
                labels[name] = declared | ({"le"} if name.endswith("_bucket") else set())
            for sample in family.samples:
                labels.setdefault(sample.name, set()).update(sample.labels)
                for label, value in sample.labels.items():
                    values.setdefault((sample.name, label), set()).add(value)
    return labels, values


def samples_of(family):
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
    return [family.name + suffix for suffix in suffixes.get(family.type, ("",))]


class Catalogue:
    """The series that exist: their labels, and the values of those labels."""

    def __init__(self, registries):
        self.labels = {name: own | TARGET for name, own in (MADE | COLLECTOR).items()}
        self.values = {("up", "job"): jobs()}
        for registry in registries:
            labels, values = exposed(registry)
            for name, own in labels.items():
                self.labels.setdefault(name, set(TARGET)).update(own)
            for key, seen in values.items():
                self.values.setdefault(key, set()).update(seen)

    def check(self, node):
        """Return the labels of what `node` gives; raise if it asks for what does not exist."""
        match node:
            case promql.VectorSelector():
                return self._selected(node)
            case promql.AggregateExpr():
                return self._aggregated(node)
            case promql.BinaryExpr():
                return self._combined(node)
            case promql.Call():
                return self._called(node)
            case promql.NumberLiteral() | promql.StringLiteral():
                return set()
        return self.check(node.vector_selector if hasattr(node, "vector_selector") else node.expr)

    def _selected(self, node):
        assert node.name in self.labels, f"no service exposes {node.name}"
        for matcher in node.matchers.matchers:
            assert matcher.name in self.labels[node.name], f"{node.name} has no {matcher.name}"
            exact = matcher.op in (promql.MatchOp.Equal, promql.MatchOp.NotEqual)
            seen = self.values.get((node.name, matcher.name))
            if exact and seen and "$" not in matcher.value:
                assert matcher.value in seen, f"{node.name}: no {matcher.name}={matcher.value}"
        return self.labels[node.name]

    def _aggregated(self, node):
        inner = self.check(node.expr)
        if node.modifier is None:
            return set()
        named = set(node.modifier.labels)
        assert named <= inner, f"{named - inner} is no label of {node.expr.prettify()}"
        return named if node.modifier.type == promql.AggModifierType.By else inner - named

    def _combined(self, node):
        left, right = self.check(node.lhs), self.check(node.rhs)
        if node.modifier and node.modifier.matching:
            named = set(node.modifier.matching.labels)
            assert named <= left & right, f"{node.prettify()} joins by what one side lacks"
        elif left and right:
            assert left == right, f"{node.prettify()} never matches: {left ^ right}"
        return left or right

    def _called(self, node):
        inner = set().union(*(self.check(each) for each in node.args))
        if node.func.name == "histogram_quantile":
            assert "le" in inner, f"{node.prettify()} has no buckets left"
            return inner - {"le"}
        return set() if node.func.name == "vector" else inner


def jobs():
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    return {job["job_name"] for job in config["scrape_configs"]}


def parse(expression):
    for variable, duration in DURATIONS.items():
        expression = expression.replace(variable, duration)
    return promql.parse(expression)


@pytest.fixture(scope="session")
def catalogue(fleet, rules):
    found = Catalogue(fleet.registries.values())
    for rule in rules:
        if "record" in rule:
            own = set(rule.get("labels", {}))
            found.labels[rule["record"]] = found.check(parse(rule["expr"])) | own
    return found


def asked(dashboard):
    """Every expression of a dashboard, with where it stands."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"], target["legendFormat"]
    for note in dashboard["annotations"]["list"]:
        yield note["name"], note["expr"], note["titleFormat"]


def test_every_rule_asks_for_what_services_expose(catalogue, rules):
    for rule in rules:
        labels = catalogue.check(parse(rule["expr"])) | set(rule.get("labels", {}))
        words = " ".join(rule.get("annotations", {}).values())
        used = set(re.findall(r"\$labels\.(\w+)", words))
        assert used <= labels, f"{rule['alert']} tells of {used - labels}"


@pytest.mark.parametrize("name", ["fleet.json", "service.json", "slo.json"])
def test_every_panel_asks_for_what_services_expose(catalogue, dashboards, name):
    for title, expression, legend in asked(dashboards[name]):
        labels = catalogue.check(parse(expression))
        used = set(re.findall(r"\{\{(\w+)\}\}", legend))
        assert used <= labels, f"the legend of {title} tells of {used - labels}"


@pytest.mark.parametrize(
    "file", sorted((ROOT / "docs/runbooks").glob("*.md")), ids=lambda file: file.stem
)
def test_every_query_of_a_runbook_asks_for_what_exists(catalogue, file):
    named = re.findall(r"Quer(?:y|ies): (.+)", file.read_text())
    for expression in re.findall(r"`([^`]+)`", " ".join(named)):
        catalogue.check(parse(expression.replace("<service>", "$service")))


def test_what_a_reader_picks_from_is_a_label_that_exists(catalogue, dashboards):
    picked = [each for name in dashboards for each in dashboards[name]["templating"]["list"]]
    for variable in picked:
        selector, label = re.fullmatch(
            r"label_values\((.+), (\w+)\)", variable["query"]["query"]
        ).groups()
        assert label in catalogue.check(parse(selector))
    assert picked


def test_no_metric_has_a_label_that_a_scrape_would_rename(fleet):
    for registry in fleet.registries.values():
        labels, _ = exposed(registry)
        clashes = {name: own & TARGET for name, own in labels.items() if own & TARGET}
        assert not clashes, "Prometheus would call it exported_…"


@pytest.mark.parametrize(
    "expression, complaint",
    [
        ("rate(http_server_requests_total[5m])", "no service exposes"),
        ('up{job="users"}', "no job=users"),
        ('http_server_request_duration_seconds_bucket{le="0.4"}', "no le=0.4"),
        ("sum by (route) (http_server_request_duration_seconds_count)", "no label of"),
        ('http_server_request_duration_seconds_count{status="500"}', "has no status"),
        ("health_check_up == db_client_connection_max", "never matches"),
        ("histogram_quantile(0.5, sum(redis_command_duration_seconds_bucket))", "no buckets left"),
    ],
)  # fmt: skip
def test_an_expression_that_could_never_give_a_value_is_found(catalogue, expression, complaint):
    with pytest.raises(AssertionError, match=complaint):
        catalogue.check(parse(expression))
