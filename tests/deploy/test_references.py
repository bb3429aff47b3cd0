from collections import Counter

import pytest
from dev.manifests import of_kind, pods, selects


def names(documents, kind):
    return {(d["metadata"]["namespace"], d["metadata"]["name"]) for d in of_kind(documents, kind)}


def secrets(documents):
    return names(documents, "Secret") | names(documents, "ExternalSecret")


def keys(documents, kind, name):
    (found,) = [d for d in of_kind(documents, kind) if d["metadata"]["name"] == name]
    if kind == "ExternalSecret":
        return {entry["secretKey"] for entry in found["spec"]["data"]}
    return found.get("data", {}).keys()


def test_no_two_documents_have_one_name(documents):
    ids = Counter(
        (d["apiVersion"], d["kind"], d["metadata"].get("namespace"), d["metadata"]["name"])
        for d in documents
    )
    assert [one for one, count in ids.items() if count > 1] == []


def test_every_namespace_that_is_used_is_made(documents):
    made = {d["metadata"]["name"] for d in of_kind(documents, "Namespace")}
    assert {d["metadata"]["namespace"] for d in documents if "namespace" in d["metadata"]} <= made


def test_every_workload_selects_its_own_pods_and_no_others(documents):
    for pod in pods(documents):
        if (selector := pod.workload["spec"].get("selector")) is None:
            continue
        taken = [
            other.name
            for other in pods(documents)
            if other.namespace == pod.namespace and selects(selector, other.labels)
        ]
        assert taken == [pod.name]


def test_every_service_selects_one_workload_and_names_ports_that_it_has(documents):
    for service in of_kind(documents, "Service"):
        selector = {"matchLabels": service["spec"]["selector"]}
        (pod,) = [
            pod
            for pod in pods(documents)
            if pod.namespace == service["metadata"]["namespace"] and selects(selector, pod.labels)
        ]
        ports = {
            port["name"] for container in pod.containers for port in container.get("ports", ())
        }
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
        assert "admin" not in {port["targetPort"] for port in service["spec"]["ports"]}


def test_every_account_config_map_and_secret_that_a_pod_names_exists(documents):
    for pod in pods(documents):
        assert (pod.namespace, pod.spec["serviceAccountName"]) in names(documents, "ServiceAccount")
        maps, hidden = set(), set()
        for volume in pod.spec.get("volumes", ()):
            maps |= {volume["configMap"]["name"]} if "configMap" in volume else set()
            hidden |= {volume["secret"]["secretName"]} if "secret" in volume else set()
        for container in pod.containers:
            for source in container.get("envFrom", ()):
                maps |= {source["configMapRef"]["name"]} if "configMapRef" in source else set()
                hidden |= {source["secretRef"]["name"]} if "secretRef" in source else set()
        assert {(pod.namespace, name) for name in maps} <= names(documents, "ConfigMap"), pod.name
        assert {(pod.namespace, name) for name in hidden} <= secrets(documents), pod.name


def test_every_key_that_a_pod_takes_exists(local):
    for pod in pods(local):
        by_volume = {volume["name"]: volume for volume in pod.spec.get("volumes", ())}
        for container in pod.containers:
            for variable in container.get("env", ()):
                wanted = variable.get("valueFrom", {}).get("secretKeyRef")
                if wanted:
                    assert wanted["key"] in keys(local, "Secret", wanted["name"])
            for mount in container.get("volumeMounts", ()):
                if "subPath" in mount:
                    name = by_volume[mount["name"]]["configMap"]["name"]
                    assert mount["subPath"] in keys(local, "ConfigMap", name)


def test_a_changed_setting_rolls_the_pods_that_read_it(documents):
    for config in of_kind(documents, "ConfigMap"):
        assert config["metadata"]["name"].rpartition("-")[2].isalnum()
        assert len(config["metadata"]["name"].rpartition("-")[2]) == 10
    for pod in pods(documents):
        for source in pod.spec["containers"][0].get("envFrom", ()):
            if "configMapRef" in source:
                (config,) = [
                    d
                    for d in of_kind(documents, "ConfigMap")
                    if d["metadata"]["name"] == source["configMapRef"]["name"]
                ]
                assert config["immutable"] is True


def test_routes_and_autoscalers_lead_to_what_exists(production):
    services = {d["metadata"]["name"]: d["spec"] for d in of_kind(production, "Service")}
    gateway = next(iter(of_kind(production, "Gateway")))
    for route in of_kind(production, "HTTPRoute"):
        (parent,) = route["spec"]["parentRefs"]
        assert (parent["namespace"], parent["name"]) in names(production, "Gateway")
        assert parent["sectionName"] in {one["name"] for one in gateway["spec"]["listeners"]}
        for rule in route["spec"]["rules"]:
            for backend in rule["backendRefs"]:
                ports = services[backend["name"]]["ports"]
                assert backend["port"] in {port["port"] for port in ports}
    scaled = {
        d["spec"]["scaleTargetRef"]["name"] for d in of_kind(production, "HorizontalPodAutoscaler")
    }
    assert scaled == {
        d["metadata"]["name"]
        for d in of_kind(production, "Deployment")
        if d["metadata"]["labels"]["app.kubernetes.io/component"] == "service"
    }


@pytest.mark.parametrize("path", ["name", "component", "part-of"])
def test_every_workload_says_what_it_is(documents, path):
    for pod in pods(documents):
        for labels in (pod.labels, pod.workload["metadata"]["labels"]):
            assert labels[f"app.kubernetes.io/{path}"]
