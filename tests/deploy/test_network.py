import re
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pytest
from dev.manifests import of_kind, pods, render, selects

DOCUMENT = Path(__file__).parents[2] / "docs/deploying.md"


class Node(NamedTuple):
    """Whatever opens connections, or takes them: a pod, or an address outside of the cluster."""

    name: str
    ports: dict
    namespace: str = ""
    labels: Mapping = MappingProxyType({})
    address: str = ""
    component: str = ""


def label(name):
    return {"app.kubernetes.io/name": name}


ELSEWHERE = [
    Node("gateway", {}, "gateway"),
    Node("a pod elsewhere", {"web": 80}, "default", {"app.kubernetes.io/component": "service"}),
    Node("kube-dns", {"53/UDP": 53, "53": 53}, "kube-system", {"k8s-app": "kube-dns"}),
    Node("the Internet", {"443": 443, "80": 80}, address="203.0.113.9"),
    Node("the Kubernetes API", {"443": 443, "6443": 6443}, address="10.96.0.1"),
    Node("managed PostgreSQL", {"5432": 5432}, address="10.20.0.5"),
    Node("managed Redis", {"6379": 6379}, address="10.20.1.5"),
    Node("prometheus", {"web": 9090}, "observability", label("prometheus")),
    Node("otel-collector", {"otlp-http": 4318}, "observability", label("otel-collector")),
]


def nodes(documents):
    found = []
    for pod in pods(documents):
        ports = [port for container in pod.containers for port in container.get("ports", ())]
        component, name = (pod.labels[f"app.kubernetes.io/{key}"] for key in ("component", "name"))
        name = f"{name}-migrate" if component == "migration" else name
        numbers = {port["name"]: port["containerPort"] for port in ports}
        found.append(Node(name, numbers, pod.namespace, pod.labels, "", component))
    known = {node.name for node in found}
    return found + [node for node in ELSEWHERE if node.name not in known]


def is_peer(peer, node, namespace):
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        outside = [ip_network(one) for one in block.get("except", ())]
        address = ip_address(node.address) if node.address else None
        within = address is not None and address in ip_network(block["cidr"])
        return within and not any(address in one for one in outside)
    if node.address:
        return False
    if "namespaceSelector" in peer:
        names = {"kubernetes.io/metadata.name": node.namespace}
        there = selects(peer["namespaceSelector"], names)
    else:
        there = node.namespace == namespace
    return there and selects(peer.get("podSelector", {}), node.labels)


def is_port(rule, name, number):
    protocol = "UDP" if name.endswith("/UDP") else "TCP"
    return rule.get("protocol", "TCP") == protocol and rule["port"] in {name, number}


def lets(policies, direction, node, other, port):
    """Whether the policies that select a node let it talk to the other, in one direction."""
    kind, peers = {"egress": ("Egress", "to"), "ingress": ("Ingress", "from")}[direction]
    mine = [
        policy
        for policy in policies
        if policy["metadata"]["namespace"] == node.namespace
        and kind in policy["spec"]["policyTypes"]
        and selects(policy["spec"]["podSelector"], node.labels)
    ]
    return not mine or any(
        (peers not in rule or any(is_peer(one, other, node.namespace) for one in rule[peers]))
        and ("ports" not in rule or any(is_port(one, *port) for one in rule["ports"]))
        for policy in mine
        for rule in policy["spec"].get(direction, ())
    )


def reachable(documents):
    """Who can open a connection to whom, at which port, where one end is ours."""
    policies, everyone = of_kind(documents, "NetworkPolicy"), nodes(documents)
    ours = {node.name for node in everyone if node.component}
    return {
        (source.name, target.name, port[0])
        for source in everyone
        for target in everyone
        if source != target and {source.name, target.name} & ours
        for port in target.ports.items()
        if lets(policies, "egress", source, target, port)
        and lets(policies, "ingress", target, source, port)
    }


def documented(documents, overlay):
    """The table of docs/deploying.md, with its groups written out."""
    table = re.search(r"\| From \| To \|.*?\n\n", DOCUMENT.read_text(), re.DOTALL)[0]
    rows = [
        [cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:] if row
    ]
    groups = {
        "each service": lambda node: node.component == "service",
        "each migration": lambda node: node.component == "migration",
        "each caller of users": lambda node: "calls-users" in node.labels,
    }
    everyone = nodes(documents)

    def members(cell):
        named = {part.strip().strip("`") for part in cell.split(",")}
        of_groups = [groups[name] for name in named & groups.keys()]
        inside = {node.name for node in everyone for is_in in of_groups if is_in(node)}
        return inside | (named - groups.keys())

    return {
        (source, target, port)
        for froms, tos, ports, where, _ in rows
        if where in {"everywhere", overlay}
        for source in members(froms)
        for target in members(tos)
        for port in members(ports)
    }


@pytest.mark.parametrize("overlay", ["local", "production"])
def test_the_network_lets_through_what_the_table_says_and_nothing_else(request, overlay):
    documents = request.getfixturevalue(overlay)
    assert reachable(documents) == documented(documents, overlay)


@pytest.mark.parametrize("overlay", ["local", "production"])
def test_a_new_service_gets_what_each_service_has_and_the_calls_it_asks_for(repository, overlay):
    documents = render(repository / "deploy/k8s/overlays" / overlay)
    found = reachable(documents)
    assert found == documented(documents, overlay)
    assert ("parcel-lockers", "users", "http") in found
    assert ("parcel-lockers", "orders", "http") not in found


def test_a_pod_that_no_policy_names_is_cut_off(documents):
    stranger = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "chassis"}}
    labels = {"app.kubernetes.io/name": "stranger", "app.kubernetes.io/component": "other"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"ports": [
        {"name": "http", "containerPort": 80}
    ]}]}}  # fmt: skip
    stranger["metadata"]["name"] = "stranger"
    stranger["spec"] = {"template": template}
    found = reachable([*documents, stranger])
    assert [edge for edge in found if "stranger" in edge] == []


def test_calls_go_one_way_and_admin_ports_are_prometheus_alone(documents):
    found = reachable(documents)
    assert ("orders", "users", "http") in found
    assert ("users", "orders", "http") not in found
    assert {source for source, _, port in found if port == "admin"} == {"prometheus"}


def test_a_policy_too_many_would_show(local):
    open_to_all = {
        "kind": "NetworkPolicy",
        "metadata": {"namespace": "chassis", "name": "oops"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]},
    }
    found = reachable([*local, open_to_all])
    assert ("a pod elsewhere", "postgres", "postgres") in found - reachable(local)
