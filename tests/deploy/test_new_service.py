import re
import subprocess
import sys

import pytest
from chassis_core.contract import load
from dev.manifests import of_kind, pods, render
from dev.ports import SERVICES

NAME = "parcel-lockers"


@pytest.mark.parametrize("overlay", ["local", "production"])
def test_a_new_service_is_deployed_without_another_edit(repository, overlay):
    documents = render(repository / "deploy/k8s/overlays" / overlay)
    services = {
        pod.labels["app.kubernetes.io/name"]: pod
        for pod in pods(documents)
        if pod.labels["app.kubernetes.io/component"] == "service"
    }
    assert services.keys() == {*SERVICES, NAME}
    ports = {port["containerPort"] for port in services[NAME].spec["containers"][0]["ports"]}
    member = load(repository).services[NAME]
    assert ports == {member.port, member.admin_port}
    for one, other in (("Deployment", 1), ("Service", 1), ("PodDisruptionBudget", 1), ("Job", 1)):
        found = [d for d in of_kind(documents, one) if re.match(NAME, d["metadata"]["name"])]
        assert len(found) == other, one
    account = services[NAME].spec["serviceAccountName"]
    assert account == NAME
    assert "orders" not in str(services[NAME].spec)


def test_its_first_release_writes_its_own_job_name(repository):
    images = {
        pod.spec["containers"][0]["image"]: pod.workload["metadata"]["name"]
        for pod in pods(render(repository / "deploy/k8s/overlays/production"))
        if pod.workload["kind"] == "Job" and NAME in pod.workload["metadata"]["name"]
    }
    before = dict(images)
    digest = "sha256:" + 64 * "7"
    release = [sys.executable, "deploy/k8s/services.py", f"{NAME}=registry.test/{NAME}@{digest}"]
    subprocess.run(release, cwd=repository, check=True, capture_output=True)
    (after,) = [
        pod
        for pod in pods(render(repository / "deploy/k8s/overlays/production"))
        if pod.workload["kind"] == "Job" and NAME in pod.workload["metadata"]["name"]
    ]
    assert after.spec["containers"][0]["image"] == f"registry.test/{NAME}@{digest}"
    assert after.workload["metadata"]["name"] not in before.values()
