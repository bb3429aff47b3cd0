import hashlib
import os
import re
from base64 import b64decode
from importlib import import_module
from urllib.parse import urlsplit

import pytest
from chassis_core.contract import package_of, prefix_of
from chassis_core.settings import InvalidSettings
from chassis_core.testing import running
from cryptography.fernet import Fernet
from dev.manifests import of_kind, pods

# Stand in for what only the operator's store knows.
SAMPLES = {
    "DATABASE__URL": "postgresql://someone:secret@db.internal/app?sslmode=verify-full",
    "REDIS__URL": "rediss://:secret@redis.internal:6379/0",
    "ENCRYPTION_KEY": Fernet.generate_key().decode(),
    "SHA256": hashlib.sha256(b"a secret of their own").hexdigest(),
    "SECRET": 64 * "s",
}
STANDARD = {
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_RESOURCE_ATTRIBUTES",
}
FLUSH = 1.0  # what remains to be done after the last request, besides telemetry


def sample(name):
    return next(value for ending, value in SAMPLES.items() if name.endswith(ending))


def source(documents, name):
    """What a ConfigMap, Secret or ExternalSecret puts into the environment."""
    (found,) = [
        d
        for d in of_kind(documents, "ConfigMap", "Secret", "ExternalSecret")
        if d["metadata"]["name"] == name
    ]
    if found["kind"] == "ExternalSecret":
        return {entry["secretKey"]: sample(entry["secretKey"]) for entry in found["spec"]["data"]}
    decode = (lambda value: b64decode(value).decode()) if found["kind"] == "Secret" else str
    return {name: decode(value) for name, value in (found.get("data") or {}).items()}


def environment(documents, pod):
    container = pod.spec["containers"][0]
    known = {}
    for entry in container["envFrom"]:
        known |= source(documents, next(iter(entry.values()))["name"])
    return known | {entry["name"]: entry.get("value") for entry in container.get("env", ())}


def ours(documents, component):
    return [p for p in pods(documents) if p.labels["app.kubernetes.io/component"] == component]


@pytest.fixture
def settings_of(monkeypatch, foreign_free):
    """Read a service's settings from an environment, as its process would."""

    def read(service, variables):
        for name in os.environ.keys() - foreign_free.keys():
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value or "")
        return import_module(f"{package_of(service)}.settings").Settings()

    return read


@pytest.fixture(params=["service", "migration"])
def component(request):
    return request.param


def test_every_variable_is_a_setting_that_the_service_reads(documents, component, settings_of):
    for pod in ours(documents, component):
        service = pod.labels["app.kubernetes.io/name"]
        variables = environment(documents, pod)
        referred = set(re.findall(r"\$\((\w+)\)", " ".join(map(str, variables.values()))))
        others = {n for n in variables if not n.startswith(prefix_of(service))}
        assert others - STANDARD == referred
        settings = settings_of(service, variables)
        assert settings.database.address.get_backend_name() == "postgresql"


def test_a_service_refuses_every_password_of_a_developers_cluster_in_production(
    local, production, settings_of
):
    known = re.compile("-local@|local-only")
    for theirs, pod in zip(ours(production, "service"), ours(local, "service"), strict=True):
        service = pod.labels["app.kubernetes.io/name"]
        variables = environment(local, pod)
        passwords = [name for name, value in variables.items() if known.search(value or "")]
        assert passwords
        for name in passwords:
            wrong = environment(production, theirs) | {name: variables[name]}
            with pytest.raises(InvalidSettings, match=f"a value of its own for {name}$"):
                settings_of(service, wrong)


def test_a_variable_that_is_no_setting_is_refused(local, settings_of):
    pod = next(p for p in ours(local, "service") if p.name == "Deployment/orders")
    for wrong in ("ORDERS_REDIS__ADDRESS", "ORDERS_REDDIS__URL"):
        with pytest.raises(InvalidSettings, match="unknown setting ORDERS_RED"):
            settings_of("orders", environment(local, pod) | {wrong: "redis://redis:6379"})


def test_the_ports_are_those_that_the_service_listens_on(documents, settings_of):
    for pod in ours(documents, "service"):
        service = pod.labels["app.kubernetes.io/name"]
        settings = settings_of(service, environment(documents, pod))
        ports = {p["name"]: p["containerPort"] for p in pod.spec["containers"][0]["ports"]}
        assert ports == {"http": settings.server.port, "admin": settings.server.admin_port}
        assert settings.redis.url is not None


async def test_the_probes_ask_the_admin_app_for_three_paths_that_it_has(documents, settings_of):
    for pod in ours(documents, "service"):
        service, container = pod.labels["app.kubernetes.io/name"], pod.spec["containers"][0]
        settings_of(service, environment(documents, pod))
        app = import_module(f"{package_of(service)}.main").app()
        app.separate_admin = True
        probes = [container[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")]
        paths = [probe["httpGet"]["path"] for probe in probes]
        assert {probe["httpGet"]["port"] for probe in probes} == {"admin"}
        assert paths == ["/startupz", "/livez", "/readyz"]
        # The kubelet asks by the address of the pod, which is no trusted host.
        async with running(app.admin, base_url="http://10.1.2.3:9000") as kubelet:
            assert (await kubelet.get("/livez")).status_code == 200
            for path in paths:
                assert (await kubelet.get(path)).status_code in {200, 503}
        assert all(probe["timeoutSeconds"] > app.settings.health.timeout for probe in probes)


def test_a_pod_has_the_time_to_drain(documents, settings_of):
    for pod in ours(documents, "service"):
        settings = settings_of(pod.labels["app.kubernetes.io/name"], environment(documents, pod))
        sleep = pod.spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        drain = settings.server.drain_delay
        drain = 5.0 if drain is None else drain
        needed = sleep + drain + settings.server.shutdown_timeout + settings.tracing.flush_timeout
        assert sleep > 0
        assert needed + FLUSH < pod.spec["terminationGracePeriodSeconds"]


def test_services_find_one_another_under_names_that_exist(documents, settings_of):
    ports = {
        d["metadata"]["name"]: {port["port"] for port in d["spec"]["ports"]}
        for d in of_kind(documents, "Service")
        if d["metadata"]["namespace"] == "chassis"
    }
    for pod in ours(documents, "service"):
        settings = settings_of(pod.labels["app.kubernetes.io/name"], environment(documents, pod))
        urls = [client.url for client in settings.clients.values()]
        urls += [settings.auth.jwks_url] if settings.auth.jwks_url else []
        for url in map(urlsplit, urls):
            assert (url.port or 80) in ports[url.hostname]
            assert pod.labels[f"calls-{url.hostname}"] == "true"


def test_one_issuer_is_named_by_who_signs_and_by_who_verifies(documents, settings_of):
    issuers = {
        settings_of(pod.labels["app.kubernetes.io/name"], environment(documents, pod)).auth.issuer
        for pod in ours(documents, "service")
    }
    assert len(issuers) == 1


def test_production_answers_for_the_gateways_name_and_trusts_its_proxies(production, settings_of):
    (gateway,) = of_kind(production, "Gateway")
    hosts = {listener["hostname"] for listener in gateway["spec"]["listeners"]}
    for pod in ours(production, "service"):
        settings = settings_of(pod.labels["app.kubernetes.io/name"], environment(production, pod))
        assert settings.environment == "production"
        assert hosts <= set(settings.trusted_hosts.allowed)
        assert settings.client_address.trusted_proxies
        assert urlsplit(settings.auth.issuer).hostname in hosts
        assert urlsplit(settings.auth.issuer).scheme == "https"


def test_services_have_no_right_to_change_tables_where_migrations_have(local):
    def users(component):
        found = {}
        for pod in ours(local, component):
            url = next(v for n, v in environment(local, pod).items() if n.endswith("DATABASE__URL"))
            found[pod.labels["app.kubernetes.io/name"]] = urlsplit(url).username
        return found

    assert users("service") == {name: name for name in users("service")}
    assert users("migration") == {name: f"{name}_owner" for name in users("service")}
