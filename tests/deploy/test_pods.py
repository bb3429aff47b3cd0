import re
from pathlib import Path

import pytest
from dev.manifests import pods

IMAGES = Path(__file__).parents[2] / "deploy/images.env"
VOLUMES = {"configMap", "downwardAPI", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
HOST = ("hostNetwork", "hostPID", "hostIPC", "hostUsers")
TOKENS = {"Deployment/prometheus"}  # it asks the API which pods there are


def restricted(pod):
    """What of the profile "restricted" of Kubernetes' Pod Security Standards the pod breaks."""
    spec, found = pod.spec, []
    security = spec.get("securityContext", {})
    found += [name for name in HOST if name in spec]
    found += [name for name in ("sysctls", "windowsOptions", "appArmorProfile") if name in security]
    for volume in spec.get("volumes", ()):
        found += [f"volume {kind}" for kind in volume.keys() - {"name"} - VOLUMES]
    for container in pod.containers:
        own = {**security, **container.get("securityContext", {})}
        rules = {
            "privileged": own.get("privileged", False) is False,
            "escalation": own.get("allowPrivilegeEscalation") is False,
            "capabilities": own.get("capabilities") == {"drop": ["ALL"]},
            "root": own.get("runAsNonRoot") is True and own.get("runAsUser", 0) > 0,
            "seccomp": own.get("seccompProfile") == {"type": "RuntimeDefault"},
            "procMount": "procMount" not in own,
            "hostPort": not any("hostPort" in port for port in container.get("ports", ())),
            "host of a hook": "host" not in str(container.get("lifecycle", "")),
        }
        found += [f"{container['name']}: {rule}" for rule, holds in rules.items() if not holds]
    return found


def test_every_pod_keeps_the_restricted_profile(documents):
    assert {pod.name: restricted(pod) for pod in pods(documents) if restricted(pod)} == {}


@pytest.mark.parametrize(
    "change, breaks",
    [
        ({"hostNetwork": True}, "hostNetwork"),
        ({"volumes": [{"name": "x", "hostPath": {"path": "/"}}]}, "volume hostPath"),
        ({"securityContext": {"runAsNonRoot": True}}, "x: seccomp"),
        ({"initContainers": [{"name": "i", "image": "x"}]}, "i: capabilities"),
    ],
)
def test_a_breach_of_the_profile_is_found(local, change, breaks):
    pod = next(pod for pod in pods(local) if pod.name == "Deployment/redis")
    plain = {"name": "x", "image": "x"}
    changed = pod._replace(spec={**pod.spec, "containers": [plain], **change})
    assert breaks in restricted(changed)


def test_every_namespace_with_pods_enforces_the_restricted_profile(documents):
    labels = {
        d["metadata"]["name"]: d["metadata"]["labels"]
        for d in documents
        if d["kind"] == "Namespace"
    }
    for pod in pods(documents):
        for mode in ("enforce", "audit", "warn"):
            label = f"pod-security.kubernetes.io/{mode}"
            assert labels[pod.namespace][label] == "restricted"
            assert re.fullmatch(r"v1\.\d+", labels[pod.namespace][f"{label}-version"])


def test_no_container_can_write_to_its_root_or_fill_the_node(documents):
    for pod in pods(documents):
        volumes = {volume["name"]: volume for volume in pod.spec.get("volumes", ())}
        claims = pod.workload["spec"].get("volumeClaimTemplates", ())
        volumes |= {claim["metadata"]["name"]: claim for claim in claims}
        for volume in volumes.values():
            assert "emptyDir" not in volume or volume["emptyDir"].get("sizeLimit"), pod.name
        for container in pod.containers:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, pod.name
            assert {mount["name"] for mount in container.get("volumeMounts", ())} <= volumes.keys()
            assert container["resources"]["requests"].keys() == {
                "cpu",
                "memory",
                "ephemeral-storage",
            }
            assert container["resources"]["limits"].keys() == {"memory", "ephemeral-storage"}


def test_pods_have_accounts_of_their_own_without_tokens_and_no_links(documents):
    accounts = set()
    for pod in pods(documents):
        assert pod.spec["serviceAccountName"] != "default"
        assert pod.spec["enableServiceLinks"] is False
        assert pod.spec["automountServiceAccountToken"] is (pod.name in TOKENS)
        assert (pod.namespace, pod.spec["serviceAccountName"]) not in accounts or "Job/" in pod.name
        accounts.add((pod.namespace, pod.spec["serviceAccountName"]))
    for account in (d for d in documents if d["kind"] == "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_services_and_their_migrations_run_as_the_user_of_the_image(documents):
    dockerfile = (IMAGES.parents[1] / "Dockerfile").read_text()
    (user, group) = re.search(r"^USER (\d+):(\d+)$", dockerfile, re.MULTILINE).groups()
    ours = [
        p
        for p in pods(documents)
        if p.labels["app.kubernetes.io/component"] in {"service", "migration"}
    ]
    assert ours
    for pod in ours:
        security = pod.spec["securityContext"]
        assert (security["runAsUser"], security["runAsGroup"]) == (int(user), int(group))


def test_services_surge_spread_and_leave_one_by_one(documents):
    for pod in pods(documents):
        if pod.labels["app.kubernetes.io/component"] != "service":
            continue
        rollout = pod.workload["spec"]
        assert "replicas" not in rollout
        assert rollout["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
        spread = pod.spec["topologySpreadConstraints"]
        assert {one["topologyKey"] for one in spread} == {
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
        }
        assert all(
            one["labelSelector"]["matchLabels"].items() <= pod.labels.items() for one in spread
        )
        budgets = [d["spec"] for d in documents if d["kind"] == "PodDisruptionBudget"]
        (own,) = [b for b in budgets if b["selector"]["matchLabels"].items() <= pod.labels.items()]
        assert own["maxUnavailable"] == 1
        assert own["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_every_image_that_is_not_ours_is_the_pinned_one(documents):
    pins = {
        line.partition("=")[2] for line in IMAGES.read_text().splitlines() if "@sha256:" in line
    }
    for pod in pods(documents):
        for container in pod.containers:
            assert container["image"] in pins or "chassis/" in container["image"], container[
                "image"
            ]


def test_migrations_can_be_applied_again_and_end(documents):
    jobs = [d["spec"] for d in documents if d["kind"] == "Job"]
    assert jobs
    for spec in jobs:
        assert spec["ttlSecondsAfterFinished"] > 0
        assert spec["activeDeadlineSeconds"] > 0
        assert spec["backoffLimit"] <= 6
        assert spec["template"]["spec"]["restartPolicy"] == "Never"
