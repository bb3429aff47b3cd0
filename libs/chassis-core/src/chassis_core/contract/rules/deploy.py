"""Rules on what a service deploys: hardened, watched, pinned, and without secrets."""

from collections.abc import Callable, Iterator
from pathlib import Path

from chassis_core.contract.rule import Finding, Rule
from chassis_core.contract.rules.manifests import Entry, assignments, entries
from chassis_core.contract.rules.secrets import KNOWN, NAMED

_WEAK = {
    ("privileged", "true"): "a privileged container owns the node",
    ("hostNetwork", "true"): "hostNetwork goes around every network policy",
    ("hostPID", "true"): "hostPID shows every process of the node",
    ("hostIPC", "true"): "hostIPC shares the node's memory",
    ("runAsUser", "0"): "root in the container is root on the node, one fault later",
    ("runAsGroup", "0"): "group 0 may write what root may",
    ("runAsNonRoot", "false"): "root in the container is root on the node, one fault later",
    ("allowPrivilegeEscalation", "true"): "a process could become root",
    ("readOnlyRootFilesystem", "false"): "an intruder could change the program",
    ("automountServiceAccountToken", "true"): "the pod would hold a key to the cluster",
    ("enableServiceLinks", "true"): "a Service named redis would put REDIS_PORT into the settings",
    ("type", "NodePort"): "a NodePort goes around the gateway",
    ("type", "LoadBalancer"): "a LoadBalancer goes around the gateway",
    ("type", "Unconfined"): "without seccomp every system call is open",
    ("kind", "ClusterRoleBinding"): "a service has no rights in the cluster",
    ("kind", "RoleBinding"): "a service has no rights in the cluster",
    ("$patch", "delete"): "takes away a part of the foundation",
    ("$patch", "replace"): "takes away a part of the foundation",
}
_HARDENING = {"securityContext", "capabilities", "seccompProfile", "drop", "hostUsers"}
_WATCHED = {"startupProbe", "livenessProbe", "readinessProbe", "resources", "limits", "requests"}
_WATCHED |= {"memory", "lifecycle", "preStop", "topologySpreadConstraints"}
_MOVING_TAGS = {"latest", "main", "master", "edge", "stable", "nightly"}


def _deploy_rule(
    name: str, *, says: str, why: str, instead: str, see: Callable[[Entry], Iterator[str]]
) -> Rule:
    def find(root: Path, folder: Path) -> Iterator[Finding]:
        for entry in entries(root, folder):
            for message in see(entry):
                yield Finding(entry.path, entry.line, name, message)

    return Rule(name, says=says, why=why, instead=instead, find=find)


def _hardened(entry: Entry) -> Iterator[str]:
    if (meaning := _WEAK.get((entry.last, entry.value))) and not entry.removed:
        yield f"{entry.last}: {entry.value}: {meaning}; leave what the foundation says"
    elif entry.keys[-2:] == ("capabilities", "add") and entry.value not in {"{}", "…"}:
        yield f"adds the capability {entry.value}; the foundation drops all"
    elif entry.last == "hostPath" and not entry.removed:
        yield "hostPath shows the node's files; use an emptyDir or a store"
    elif entry.keys[-1:] in {("ingress",), ("egress",)} and entry.value == "{}":
        yield f"an empty rule of {entry.last} lets everybody through; name the peers"
    elif _taken(entry, _HARDENING):
        yield f"takes {entry.last} away; leave what the foundation says"


def _watched(entry: Entry) -> Iterator[str]:
    if _taken(entry, _WATCHED):
        yield f"takes {entry.last} away: nobody would notice a hung pod, or bound a greedy one"
    elif entry.last == "terminationGracePeriodSeconds" and entry.value.isdigit():
        if int(entry.value) < 40:
            yield "less than 40 s: requests in flight would be cut when a pod stops"
    elif _asks_otherwise(entry):
        yield "a probe that does not ask the chassis says nothing; leave /livez and /readyz"


def _asks_otherwise(entry: Entry) -> bool:
    other = entry.last in {"command", "exec", "tcpSocket"} and not entry.removed
    return other and "Probe" in "".join(entry.keys)


def _taken(entry: Entry, names: set[str]) -> bool:
    gone = entry.removed or entry.value in {"null", "{}"}
    return gone and bool(names.intersection(entry.keys))


def _pinned(entry: Entry) -> Iterator[str]:
    if entry.last == "image" and entry.value not in {"…", "service"} and _moves(entry.value):
        yield f"the image {entry.value} can change by itself; pin it by digest"
    elif entry.last == "newTag" and ("/production/" in entry.path or entry.value in _MOVING_TAGS):
        yield f"the tag {entry.value} can move; deploy/k8s/services.py writes the digest"


def _moves(image: str) -> bool:
    tag = image.rpartition("/")[2].partition(":")[2]
    return "@sha256:" not in image and (not tag or tag in _MOVING_TAGS)


def _secret(entry: Entry) -> Iterator[str]:
    if "/production/" not in entry.path:
        return
    for name, value in assignments(entry):
        if value and (NAMED.search(name) or KNOWN.search(value)):
            yield f"{name} is written down for everyone; put it into external-secrets.yaml"
    if entry.last == "secretGenerator" and entry.value == "…":
        yield "secretGenerator writes secrets into the repository; use external-secrets.yaml"
    elif (entry.last, entry.value) == ("kind", "Secret") and len(entry.keys) == 1:
        yield "a Secret in the repository is none; use external-secrets.yaml"
    elif KNOWN.search(entry.value) and not list(assignments(entry)):
        yield "a secret in the repository is everyone's; use external-secrets.yaml"


PODS_STAY_HARDENED = _deploy_rule(
    "pods-stay-hardened",
    says="A pod keeps the security that the foundation gives it.",
    why="Each of these is what turns one fault of one service into one of the cluster.",
    instead="Change the program so that it needs no such right; write to `/tmp`.",
    see=_hardened,
)
PODS_STAY_WATCHED = _deploy_rule(
    "pods-stay-watched",
    says="A pod keeps its probes, its bounds, and the time that it needs to end.",
    why="Without them a hung pod stays, a greedy one starves others, a rollout cuts requests.",
    instead="Replace single numbers, such as `resources/limits/memory`, and leave the rest.",
    see=_watched,
)
IMAGES_ARE_PINNED = _deploy_rule(
    "images-are-pinned",
    says="What runs is named by digest.",
    why="A tag that moves makes yesterday's deployment something else today, and no rollback "
    "brings it back.",
    instead="`deploy/k8s/services.py orders=IMAGE@sha256:DIGEST` writes it.",
    see=_pinned,
)
PRODUCTION_HOLDS_NO_SECRETS = _deploy_rule(
    "production-holds-no-secrets",
    says="No secret of production is in the repository.",
    why="What is in the history is known to whoever ever had a clone.",
    instead="An entry in `deploy/production/external-secrets.yaml`.",
    see=_secret,
)
