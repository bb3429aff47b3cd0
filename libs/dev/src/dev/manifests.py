"""What kustomize makes of `deploy/k8s`, and the pods in it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

Document = dict[str, Any]
Selector = Mapping[str, Any]
OPERATORS: Mapping[str, Callable[[str | None, Sequence[str]], bool]] = {
    "In": lambda value, values: value in values,
    "NotIn": lambda value, values: value not in values,
    "Exists": lambda value, _: value is not None,
    "DoesNotExist": lambda value, _: value is None,
}


class Pod(NamedTuple):
    """The pods that one workload makes."""

    workload: Document
    namespace: str
    labels: Mapping[str, str]
    spec: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The workload, as `Deployment/orders`."""
        return f"{self.workload['kind']}/{self.workload['metadata']['name']}"

    @property
    def containers(self) -> list[Mapping[str, Any]]:
        """All containers, those that initialise first."""
        return [*self.spec.get("initContainers", ()), *self.spec["containers"]]


def render(folder: Path) -> list[Document]:
    """Return the documents of a kustomization.

    Raises:
        ValueError: kustomize refuses it.
    """
    kubectl = Path(sys.executable).with_name("kubectl")
    done = subprocess.run(
        [kubectl, "kustomize", folder], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ValueError(f"{folder} does not render: {done.stderr.strip()}")
    return list(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader))


def compose(
    folder: Path, resources: Iterable[Path], components: Iterable[Path], **more: Any
) -> Path:
    """Write a kustomization of resources and components into `folder`, and return the folder."""
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(path, folder) for path in resources],
        "components": [os.path.relpath(path, folder) for path in components],
        **more,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return folder


def of_kind(documents: Iterable[Document], *kinds: str) -> list[Document]:
    """Return the documents of these kinds."""
    return [document for document in documents if document["kind"] in kinds]


def pods(documents: Iterable[Document]) -> list[Pod]:
    """Return the pods of every workload."""
    found = []
    for workload in of_kind(documents, "Deployment", "StatefulSet", "DaemonSet", "Job"):
        template = workload["spec"]["template"]
        namespace = workload["metadata"]["namespace"]
        found.append(Pod(workload, namespace, template["metadata"]["labels"], template["spec"]))
    return found


def selects(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Return whether a label selector takes these labels; an empty one takes all."""
    matched = selector.get("matchLabels", {}).items() <= labels.items()
    wanted: Sequence[Mapping[str, Any]] = selector.get("matchExpressions", ())
    return matched and all(
        OPERATORS[one["operator"]](labels.get(one["key"]), one.get("values", ())) for one in wanted
    )
