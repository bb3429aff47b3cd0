"""The platform as containers while parts of it are killed, ended and multiplied."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import ip_address
from itertools import count
from threading import Event
from time import monotonic
from uuid import uuid4

import httpx2
import jwt
import pytest
from dev.ports import answers, port
from dev.visitor import ORDER, Visitor
from dev.waiting import until

PER_MINUTE = 30
"""What orders allows one principal to place."""
PATIENT = {
    "ORDERS_SERVER__DRAIN_DELAY": "2",
    "ORDERS_REDIS__TIMEOUT": "2",
    "ORDERS_AUTH__JWKS_WAIT": "10",
}
"""So that a busy machine is not taken for a fault: what is tested here is no timeout."""


@pytest.fixture(scope="module")
def platform(containers, tmp_path_factory):
    """A platform that these tests may break; each leaves it whole."""
    with containers(tmp_path_factory.mktemp("faults"), **PATIENT) as started:
        yield started


@pytest.fixture
def ada(platform):
    with Visitor(platform.record()["urls"]) as visitor:
        visitor.register("Ada")
        yield visitor


@pytest.fixture
def token(ada):
    return ada.log_in()


@pytest.fixture
def replica(platform, free_ports):
    """A second container of orders: base URLs of its listeners, and the container."""
    given = free_ports()
    outer = {port({}, "orders", admin=a): port(given, "orders", admin=a) for a in (False, True)}
    public, admin = (f"http://127.0.0.1:{number}" for number in outer.values())
    container = platform.container("orders", "serve", "orders-2", outer).start()
    until(lambda: answers(f"{admin}/readyz"), 60, "the replica was not ready")
    yield public, admin, container
    if container.poll() is None:
        container.terminate()
        container.wait(30)


def place(url, token, key=None):
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key or str(uuid4())}
    return httpx2.post(f"{url}/v1/orders", json=ORDER, headers=headers, timeout=30)


def listed(platform, token):
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.get(f"{platform.url('orders')}/v1/orders", headers=headers, timeout=30)


def readiness(platform, service="orders"):
    answer = httpx2.get(f"{platform.admin_url(service)}/readyz", timeout=30)
    return answer.status_code, answer.json()


@contextmanager
def killed(store):
    """Kill the container of a store, and start it again, whatever happens meanwhile."""
    container = store.get_wrapped_container()
    container.kill()
    container.wait()
    try:
        yield
    finally:
        container.start()


def test_two_replicas_share_one_limit(platform, token, replica):
    urls = [platform.url("orders"), replica[0]]
    began = monotonic()
    statuses = Counter(place(urls[n % 2], token).status_code for n in range(2 * PER_MINUTE))
    refilled = (monotonic() - began) * PER_MINUTE / 60 + 1
    assert statuses.keys() == {201, 429}
    assert PER_MINUTE <= statuses[201] <= PER_MINUTE + refilled


class Balancer:
    """What stands in front of replicas: it sends to those whose last readiness was yes."""

    def __init__(self, replicas):
        self._replicas = replicas
        self._ready = list(replicas)
        self._askers = count(int(ip_address("10.0.0.0")))
        self._stopped = Event()
        self.statuses = Counter()

    def watch(self):
        while not self._stopped.wait(0.2):
            self._ready = [
                public for public, admin in self._replicas.items() if answers(f"{admin}/readyz")
            ]

    def send(self, token):
        headers = {"Authorization": f"Bearer {token}"}
        with httpx2.Client(timeout=30, headers=headers) as client:
            while not self._stopped.is_set():
                for public in self._replicas:
                    if public in self._ready:
                        self.statuses[self._asked(client, public)] += 1

    def _asked(self, client, public):
        asker = {"X-Forwarded-For": str(ip_address(next(self._askers)))}
        try:
            answer = client.get(f"{public}/v1/orders", headers=asker)
        except httpx2.HTTPError as error:
            return repr(error)
        return 200 if answer.status_code == 200 else answer.text

    @contextmanager
    def loaded(self, token, workers=4):
        with ThreadPoolExecutor(workers + 1) as pool:
            tasks = [pool.submit(self.send, token) for _ in range(workers)]
            tasks.append(pool.submit(self.watch))
            try:
                yield
            finally:
                self._stopped.set()
        for task in tasks:
            task.result()


def test_a_replica_that_is_told_to_end_under_load_fails_no_request(platform, token, replica):
    public, admin, container = replica
    balancer = Balancer({platform.url("orders"): platform.admin_url("orders"), public: admin})
    with balancer.loaded(token):
        until(lambda: balancer.statuses[200] > 50, 30, "no load")
        container.terminate()
        assert container.wait(30) == 0
        served = balancer.statuses[200]
        until(lambda: balancer.statuses[200] > served + 50, 30, "the other does not go on")
    assert balancer.statuses.keys() == {200}


def test_without_redis_every_request_is_answered_and_with_it_the_limit_is_shared_again(
    platform, token
):
    assert readiness(platform) == (
        200,
        {"status": "ok", "checks": readiness(platform)[1]["checks"]},
    )
    with killed(platform.stores.redis):
        until(lambda: readiness(platform)[1]["status"] == "degraded", 30, "nobody noticed")
        assert readiness(platform)[0] == 200
        assert [listed(platform, token).status_code for _ in range(5)] == 5 * [200]
        assert place(platform.url("orders"), token).status_code == 201
    until(lambda: readiness(platform)[1]["status"] == "ok", 30, "it does not recover")
    assert place(platform.url("orders"), token).status_code == 201


def test_without_postgresql_the_answer_is_503_and_with_it_every_order_is_there(platform, token):
    placed = place(platform.url("orders"), token, key="before").json()
    with killed(platform.stores.postgres):
        until(lambda: readiness(platform)[0] == 503, 30, "nobody noticed")
        refused = listed(platform, token)
        assert refused.status_code == 503
        assert refused.headers["content-type"] == "application/problem+json"
        assert int(refused.headers["retry-after"]) >= 1
        assert answers(f"{platform.admin_url('orders')}/livez")
    until(lambda: readiness(platform)[0] == 200, 60, "it does not recover")
    until(lambda: readiness(platform, "users")[0] == 200, 60, "users does not recover")
    assert listed(platform, token).json()["items"] == [placed]
    assert place(platform.url("orders"), token, key="before").json() == placed


def test_an_operator_rotates_the_keys_in_a_container(platform, ada, token):
    rotated = platform.processes["users"].exec(["users", "keys", "rotate", "--now"])
    assert rotated.exit_code == 0
    new = rotated.output.decode().splitlines()[-1].removesuffix(" signs now")
    signed = until(lambda: signed_with(new, ada.log_in()), 30, "the new key does not sign", step=1)
    for good in (token, signed):
        assert listed(platform, good).status_code == 200


def signed_with(key, token):
    return token if jwt.get_unverified_header(token)["kid"] == key else None


def test_with_users_killed_known_tokens_still_open(platform, token):
    assert listed(platform, token).status_code == 200
    platform.processes["users"].kill()
    assert platform.processes.pop("users").wait(30) == 128 + 9
    assert listed(platform, token).status_code == 200
    assert place(platform.url("orders"), token).status_code == 503

    platform.start("users")
    platform.wait_ready("users")
    until(lambda: place(platform.url("orders"), token).status_code == 201, 40, "no order")
