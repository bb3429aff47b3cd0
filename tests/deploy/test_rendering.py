import json
import os
from functools import cache
from itertools import combinations
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from dev import manifests
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

HERE = Path(__file__).parent
K8S = HERE.parents[1] / "deploy/k8s"
SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
VERSIONS = ("1.34", "1.37")
CUSTOM = yaml.safe_load((HERE / "crds.yaml").read_text())
OF_A_SERVICE = {"autoscaling", "migrations", "provision"}
OF_THE_PLATFORM = sorted(
    path.parent.name
    for path in K8S.glob("components/*/kustomization.yaml")
    if path.parent.name not in OF_A_SERVICE
)


@cache
def _schema_files(version):
    (folder,) = SCHEMAS.glob(f"v{version}.*-local-strict")
    definitions = Resource.from_contents(json.loads((folder / "_definitions.json").read_text()))
    # Crawled once: else every reference would search these two megabytes anew.
    return folder, Registry().with_resource("_definitions.json", definitions).crawl()


@cache
def _validator(version, group_version, kind):
    group, _, bare = group_version.rpartition("/")
    prefix = f"{group.partition('.')[0]}-" if group else ""
    folder, registry = _schema_files(version)
    path = folder / f"{kind.lower()}-{prefix}{bare}.json"
    if not path.exists():
        return None
    return Draft202012Validator(json.loads(path.read_text()), registry=registry)


@cache
def _faults(document):
    """All that is wrong with a document, in both versions; cached, as combinations share most."""
    parsed = json.loads(document)
    kind, group_version = parsed["kind"], parsed["apiVersion"]
    who = f"{kind} {parsed['metadata']['name']}"
    if schema := CUSTOM.get(f"{group_version}/{kind}"):
        found = Draft202012Validator(schema).iter_errors(parsed["spec"])
        return [f"{who}: {error.message} at {error.json_path}" for error in found]
    faults = []
    for version in VERSIONS:
        if (validator := _validator(version, group_version, kind)) is None:
            faults.append(f"{who}: Kubernetes {version} knows no {group_version} {kind}")
            continue
        found = validator.iter_errors(parsed)
        faults += [f"{who}: {one.message} at {one.json_path} in {version}" for one in found]
    return faults


def faults(documents):
    return [fault for one in documents for fault in _faults(json.dumps(one, sort_keys=True))]


def chosen():
    """All combinations, or those up to two components, all, and all but one.

    Components add documents and patch those of services: what clashes, clashes in pairs.
    CHASSIS_EVERY_COMBINATION=1 renders every one.
    """
    sizes = {0, 1, 2, len(OF_THE_PLATFORM) - 1, len(OF_THE_PLATFORM)}
    if os.environ.get("CHASSIS_EVERY_COMBINATION"):
        sizes = range(len(OF_THE_PLATFORM) + 1)
    return [names for size in sizes for names in combinations(OF_THE_PLATFORM, size)]


def platform(folder, components):
    services = sorted(K8S.parents[1].glob("services/*/deploy/base"))
    resources = [K8S / "platform", *services]
    return manifests.compose(folder, resources, [K8S / "components" / one for one in components])


def test_every_overlay_is_valid_in_the_oldest_and_the_newest_kubernetes(documents):
    assert faults(documents) == []


@pytest.mark.timeout(900)  # every combination takes minutes
@pytest.mark.parametrize("size", [0, 1, 2, "more"])
def test_every_combination_of_components_renders_and_is_valid(tmp_path, size):
    for names in chosen():
        if size != (len(names) if len(names) <= 2 else "more"):
            continue
        folder = platform(tmp_path / "-".join(names), names)
        assert faults(manifests.render(folder)) == [], names


@pytest.mark.parametrize(
    "names", [n for s in range(4) for n in combinations(sorted(OF_A_SERVICE), s)]
)
def test_every_combination_of_a_services_components_renders_and_is_valid(tmp_path, names):
    components = [K8S / "components" / name for name in names]
    documents = manifests.render(manifests.compose(tmp_path / "one", [K8S / "base"], components))
    assert faults(documents) == []
    assert len(documents) == 6 + len(set(names) & {"autoscaling"}) + 2 * ("migrations" in names)


@pytest.mark.parametrize(
    "wrong, says",
    [
        (
            {"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget"},
            "knows no policy/v1beta1",
        ),
        ({"apiVersion": "example.org/v1", "kind": "Unheard"}, "knows no example.org/v1 Unheard"),
        ({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replica": 2}}, "'replica' was"),
    ],
)
def test_an_unknown_kind_and_a_misspelt_field_are_faults(wrong, says):
    found = faults([{"metadata": {"name": "x"}, **wrong}])
    assert any(says in fault for fault in found)
    assert {version for version in VERSIONS for fault in found if version in fault} == set(VERSIONS)
