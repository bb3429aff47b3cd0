"""The collector's and Jaeger's pipelines hold together, and no secret gets through them."""

import re
import shutil
import socket
import subprocess
from contextlib import contextmanager

import httpx2
import pytest
import yaml
from dev.waiting import until
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

FILES = ("otel-collector/config.yaml", "jaeger/config.yaml")
KINDS = ("receivers", "processors", "exporters")
SNAKE = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*(/[a-z0-9-]+)?")


def read(folder, name):
    return yaml.safe_load((folder / name).read_text())


def merged(base, layer):
    """What the collector makes of two files: maps are merged, everything else is replaced."""
    if not (isinstance(base, dict) and isinstance(layer, dict)):
        return layer
    return base | {key: merged(base.get(key), value) for key, value in layer.items()}


@pytest.fixture(params=[*FILES, "tail sampling"])
def config(request, folder):
    if request.param in FILES:
        return read(folder, request.param)
    return merged(read(folder, FILES[0]), read(folder, "otel-collector/tail-sampling.yaml"))


def test_every_component_is_used_and_every_one_used_is_defined(config):
    pipelines = config["service"]["pipelines"].values()
    for kind in KINDS:
        used = {name for pipeline in pipelines for name in pipeline[kind]}
        assert used == set(config[kind])
    assert set(config["service"]["extensions"]) == set(config["extensions"])


def test_memory_is_limited_before_anything_else_is_done(config):
    for pipeline in config["service"]["pipelines"].values():
        assert pipeline["processors"][0] == "memory_limiter"


def test_secrets_are_gone_before_traces_are_kept_or_sent(folder):
    for layer in ({}, read(folder, "otel-collector/tail-sampling.yaml")):
        pipelines = merged(read(folder, FILES[0]), layer)["service"]["pipelines"]
        assert all(pipe["processors"][1] == "redaction" for pipe in pipelines.values())


def test_components_have_the_names_of_today(config):
    names = [name for kind in (*KINDS, "extensions") for name in config[kind]]
    assert all(SNAKE.fullmatch(name) for name in names)
    assert not {"otlp", "otlphttp"} & {name.split("/")[0] for name in config["exporters"]}
    assert "batch" not in config["processors"]


def test_spans_are_batched_by_the_queue_that_bounds_them(folder):
    [queue] = [each["sending_queue"] for each in read(folder, FILES[0])["exporters"].values()]
    assert queue["batch"]["min_size"] <= queue["batch"]["max_size"] <= queue["queue_size"]
    assert queue["sizer"] == "items"


def test_the_metrics_of_the_collector_are_where_prometheus_looks(folder):
    scrapes = read(folder, "prometheus/prometheus.yml")["scrape_configs"]
    [target] = next(s for s in scrapes if s["job_name"] == "otel-collector")["static_configs"]
    [reader] = read(folder, FILES[0])["service"]["telemetry"]["metrics"]["readers"]
    shown = reader["pull"]["exporter"]["prometheus"]
    assert target["targets"] == [f"otel-collector:{shown['port']}"]
    assert shown["without_type_suffix"] is False, "the alerts name counters with _total"


SAMPLING = "otel-collector/tail-sampling.yaml"


def test_what_is_kept_whole_is_what_the_objectives_call_bad(folder, rules):
    [*policies] = read(folder, SAMPLING)["processors"]["tail_sampling"]["policies"]
    by_type = {policy["type"]: policy[policy["type"]] for policy in policies}
    assert by_type["status_code"] == {"status_codes": ["ERROR"]}
    bound = by_type["latency"]["threshold_ms"] / 1000
    assert any(f'le="{bound}"' in rule["expr"] for rule in rules)
    assert 0 < by_type["probabilistic"]["sampling_percentage"] < 100


@pytest.fixture(scope="session")
def otelcol():
    """The path of a collector that has the components named here."""
    if found := shutil.which("otelcol-contrib"):
        return found
    pytest.skip("no otelcol-contrib on PATH: docs/observability.md says how to build one")


@pytest.mark.parametrize("layers", [FILES[:1], (FILES[0], SAMPLING)], ids=len)
def test_the_collector_itself_takes_the_configuration(otelcol, folder, layers):
    files = [f"--config={folder / layer}" for layer in layers]
    told = subprocess.run([otelcol, "validate", *files], capture_output=True, check=False)
    assert told.returncode == 0, told.stderr.decode()


@contextmanager
def collecting(otelcol, folder, scratch):
    """Run the collector on free ports, with what it lets through written to its log."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        port, metrics = one.getsockname()[1], other.getsockname()[1]
    config = read(folder, FILES[0])
    config["receivers"]["otlp"]["protocols"] = {"http": {"endpoint": f"127.0.0.1:{port}"}}
    config["exporters"]["debug"] = {"verbosity": "detailed"}
    config["extensions"]["health_check"]["endpoint"] = "127.0.0.1:0"
    config["service"]["pipelines"]["traces"]["exporters"].append("debug")
    [reader] = config["service"]["telemetry"]["metrics"]["readers"]
    reader["pull"]["exporter"]["prometheus"] |= {"host": "127.0.0.1", "port": metrics}
    (scratch / "config.yaml").write_text(yaml.safe_dump(config))
    log = scratch / "log"
    command = [otelcol, f"--config={scratch / 'config.yaml'}"]
    with log.open("w") as stderr, subprocess.Popen(command, stderr=stderr) as process:
        try:
            await_in(log, "Everything is ready")
            yield f"http://127.0.0.1:{port}/v1/traces", f"http://127.0.0.1:{metrics}/metrics", log
        finally:
            process.terminate()


def await_in(log, text):
    until(lambda: text in log.read_text(), 20, f"the collector never said {text!r}")


def test_the_collector_lets_no_secret_through(otelcol, folder, tmp_path):
    with collecting(otelcol, folder, tmp_path) as (endpoint, metrics, log):
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint)))
        with provider.get_tracer("test").start_as_current_span("GET /v1/orders") as span:
            span.set_attribute("http.request.header.authorization", "Bearer not-a-SECRET")
            span.set_attribute("url.full", "http://ann:SECRET@host/path?page=2&token=SECRET")
            span.set_attribute("url.query", "code=SECRET")
            span.set_attribute("refresh_token", "SECRET")
            span.set_attribute("note", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.SECRET")
            span.set_attribute("url.path", "/v1/orders")
            span.add_event("exception", {"exception.message": "refused Bearer a-SECRET"})
        provider.shutdown()
        await_in(log, "url.path: Str(/v1/orders)")
        assert "page=2" in log.read_text()
        assert "SECRET" not in log.read_text()
        names = httpx2.get(metrics).text
        assert "otelcol_receiver_refused_spans_total{" in names
        assert "otelcol_exporter_queue_size{" in names
        assert "otelcol_process_memory_rss_bytes " in names
