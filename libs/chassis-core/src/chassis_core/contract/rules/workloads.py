"""The rule on workloads: what runs in a cluster is the foundation's pod."""

from collections.abc import Iterator
from pathlib import Path

from chassis_core.contract.rule import Finding, Rule
from chassis_core.contract.rules.manifests import entries

_OF_THE_BASE = "pods-come-from-the-base"
_KINDS = {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod", "Job", "CronJob"}


def _workloads(root: Path, folder: Path) -> Iterator[Finding]:
    every = list(entries(root, folder))
    patches = {one.value for one in every if one.keys[-2:] == ("patches", "path")}
    for entry in every:
        own = entry.keys == ("kind",) and entry.value in _KINDS
        if own and entry.path.rpartition("/")[2] not in patches:
            message = f"a {entry.value} of its own has nothing of the foundation; patch the base"
            yield Finding(entry.path, entry.line, _OF_THE_BASE, message)
    base = folder / "deploy/base/kustomization.yaml"
    where = base.relative_to(root).as_posix()
    listed = [one.value for one in every if one.path == where]
    for part in _parts(folder) if base.exists() else ():
        if not any(value.endswith(f"/deploy/k8s/{part}") for value in listed):
            yield Finding(where, 0, _OF_THE_BASE, f"leaves deploy/k8s/{part} out; list it again")


def _parts(folder: Path) -> Iterator[str]:
    yield "base"
    if any(folder.glob("src/*/migrations/versions/*.py")):
        yield "components/migrations"


PODS_COME_FROM_THE_BASE = Rule(
    _OF_THE_BASE,
    says="What runs in a cluster is the foundation's pod, with a service's name and numbers.",
    why="A Deployment made by hand lacks probes, hardening and network policies, all at once.",
    instead="`resources: [../../../../deploy/k8s/base]` and patches, as orders has.",
    find=_workloads,
)
