"""What an instance holds in memory, against what its pod asks for and may have."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from dev import manifests
from dev.ports import SERVICES
from dev.visitor import Visitor

K8S = Path(__file__).parents[2] / "deploy/k8s"
REQUESTS, AT_ONCE = 2_000, 8
GROWN = 4 << 20
"""Bytes by which the second half of the requests may grow an instance: 4 KiB for each is a leak."""

pytestmark = [
    pytest.mark.parametrize("platform", ["postgresql and redis"], indirect=True),
    pytest.mark.skipif(
        not Path("/proc/self/status").exists(), reason="no /proc: only Linux has it"
    ),
]


@pytest.fixture(scope="module")
def pods():
    """Return the bytes that each service's pod requests, and those that end it."""
    found = {}
    for one in manifests.render(K8S / "overlays/production"):
        if one["kind"] == "Deployment" and one["metadata"]["name"] in SERVICES:
            [container] = one["spec"]["template"]["spec"]["containers"]
            sizes = (container["resources"][part]["memory"] for part in ("requests", "limits"))
            found[one["metadata"]["name"]] = [int(size.removesuffix("Mi")) << 20 for size in sizes]
    return found


@pytest.fixture
def fresh(platform):
    """A platform whose services have served nothing yet, and what of their memory to read."""
    for service in SERVICES:
        platform.end(service)
        platform.start(service)
        platform.wait_ready(service)

    def held(service, what="VmRSS"):
        status = Path(f"/proc/{platform.processes[service].pid}/status").read_text("ascii")
        return int(re.search(rf"{what}:\s+(\d+) kB", status)[1]) << 10

    return held


def test_an_instance_holds_less_than_its_pod_requests_idle_and_after_thousands_of_requests(
    platform, outside, fresh, pods
):
    for service, (requested, _) in pods.items():
        print(f"{service} idle: {fresh(service) >> 20} MiB of {requested >> 20}")
        assert fresh(service) < requested, service
    with Visitor(platform.record()["urls"]) as one:
        one.register("Ann")
        headers = {"Authorization": f"Bearer {one.log_in()}"}
        one.order(one.log_in(), str(uuid4()))
    urls = {"users": f"{outside.users}/v1/users/me", "orders": f"{outside.orders}/v1/orders"}

    def ask(url):
        client = outside.client()
        for _ in range(REQUESTS // 2 // AT_ONCE):
            # An answer of the limiter is as good here: it is a request, too.
            assert client.get(url, headers=headers).status_code in {200, 429}

    def load():
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for url in urls.values():
                list(pool.map(ask, [url] * AT_ONCE))

    load()
    before = {service: fresh(service) for service in pods}
    load()
    for service, (requested, _) in pods.items():
        grown = fresh(service) - before[service]
        print(f"{service}: {fresh(service) >> 20} MiB, grown by {grown >> 10} KiB")
        assert fresh(service) < requested, service
        assert grown < GROWN, service


def test_as_many_logins_as_there_may_be_at_once_stay_under_the_limit_of_the_pod(
    platform, outside, fresh, pods
):
    with Visitor(platform.record()["urls"]) as one:
        one.register("Ann")
    form = {"grant_type": "password", "username": one.email, "password": "wrong horse battery"}

    def guess(_):
        return outside.client().post(f"{outside.users}/oauth2/token", data=form).status_code

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert set(pool.map(guess, range(3 * AT_ONCE))) == {400}
    for service, (_, limit) in pods.items():
        print(f"{service} at most: {fresh(service, 'VmHWM') >> 20} MiB of {limit >> 20}")
        assert fresh(service, "VmHWM") < limit, service
