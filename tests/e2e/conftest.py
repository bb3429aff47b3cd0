import json
import os
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest
from chassis_core.contract import prefix_of
from chassis_core.testing.servers import Missing, PostgresServer, RedisServer, fresh_database
from dev.containers import ContainerPlatform, Stores, tidy
from dev.images import NoEngine, build, client
from dev.platform import Platform
from dev.ports import SERVICES
from dev.state import State
from dev.visitor import client_from
from dev.waiting import until
from prometheus_client.parser import text_string_to_metric_families

CONTAINERS = pytest.param("containers", marks=pytest.mark.docker)
STORES = ("sqlite and memory", "postgresql and redis", CONTAINERS)
HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what starts processes: it has the machine to itself, and time to start."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.alone)
            # The first test of a platform starts it; the first of the containers waits for builds.
            patience = 600 if item.get_closest_marker("docker") else 300
            item.add_marker(pytest.mark.timeout(patience))


def real_stores(stack):
    """Settings that put every service on a PostgreSQL database of its own, and on one Redis."""
    try:
        postgres, redis = PostgresServer(), RedisServer()
    except Missing as missing:
        pytest.skip(str(missing))
    server, cache = stack.enter_context(postgres).url, stack.enter_context(redis).url
    settings = {}
    for service in SERVICES:
        url = stack.enter_context(fresh_database(server))
        settings[f"{prefix_of(service)}DATABASE__URL"] = url
        settings[f"{prefix_of(service)}REDIS__URL"] = cache
    return settings


@pytest.fixture(scope="session", params=STORES)
def platform(request, tmp_path_factory, foreign_free, free_ports):
    """The platform as real processes on free ports, once on each kind of store, and as images."""
    with ExitStack() as stack:
        if request.param == "containers":
            started = request.getfixturevalue("containers")
            yield stack.enter_context(started(tmp_path_factory.mktemp("containers")))
            return
        stores = real_stores(stack) if "redis" in request.param else {}
        state = State(tmp_path_factory.mktemp("platform"))
        given = foreign_free | free_ports() | stores
        yield stack.enter_context(Platform(state, given))


@pytest.fixture(scope="session")
def built():
    """The images of the services by their ids; what other containers left behind is gone."""
    try:
        client()
    except NoEngine as missing:
        if os.environ.get("CHASSIS_REQUIRE_DOCKER"):
            raise
        pytest.skip(str(missing))
    with tidy():
        with ThreadPoolExecutor() as pool:
            ids = dict(zip(SERVICES, pool.map(build, SERVICES), strict=True))
        yield ids


@pytest.fixture(scope="session")
def containers(built, foreign_free, free_ports):
    """Starts a platform as containers: `with containers(folder, SETTING=value) as platform`."""

    @contextmanager
    def started(folder, **settings):
        given = foreign_free | free_ports() | settings
        ports = dict(zip(("postgres", "redis"), map(int, free_ports().values()), strict=False))
        with (
            Stores(ports) as stores,
            ContainerPlatform(State(folder), given, stores, built) as platform,
        ):
            yield platform

    return started


@pytest.fixture
def outside(platform):
    """The platform, seen from outside."""
    with Outside(platform) as seen:
        yield seen


class Outside:
    """What a person outside sees of a platform: answers, log lines, samples and spans."""

    def __init__(self, platform):
        self.platform = platform
        self.users, self.orders = (platform.url(service) for service in ("users", "orders"))
        self._stack = ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def client(self):
        """Return an HTTP client that comes from an address of its own."""
        address = ".".join(["127", *(str(random.randint(1, 254)) for _ in range(3))])
        return self._stack.enter_context(client_from(address))

    def lines(self, service):
        """Return every line of the service's output; one that is not JSON fails the test."""
        return [
            json.loads(line) for line in self.platform.state.log(service).read_bytes().splitlines()
        ]

    def access_lines(self, service, request_id):
        """Return the access lines of a request, when a later one's has been written."""
        later = self.client().get(f"{self.platform.url(service)}/later").headers["x-request-id"]
        wanted = {request_id: [], later: []}

        def written():
            for found in wanted.values():
                found.clear()
            for line in self.lines(service):
                if line["event"] == "request" and line["request_id"] in wanted:
                    wanted[line["request_id"]].append(line)
            return wanted[later]

        until(written, 15, "the access line was not written")
        return wanted[request_id]

    def samples(self, service, name):
        """Return the samples of one name by their labels."""
        text = httpx2.get(f"{self.platform.admin_url(service)}/metrics").text
        return {
            tuple(sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        }

    def requests(self, service):
        """Return how many requests were counted, by their labels."""
        return self.samples(service, "http_server_request_duration_seconds_count")
