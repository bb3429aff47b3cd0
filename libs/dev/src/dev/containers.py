"""The platform as containers: its images, hardened, on a network of their own with their stores."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any, Self, cast

import docker
from asyncpg import PostgresError
from chassis_core.testing.servers import execute
from docker.errors import NotFound
from requests.exceptions import ConnectionError as NoAnswer
from requests.exceptions import ReadTimeout
from sqlalchemy.engine import URL, make_url
from testcontainers.community.postgres import PostgresContainer
from testcontainers.community.redis import RedisContainer
from testcontainers.core.config import ConnectionMode, testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from dev.collector import Collector
from dev.images import images
from dev.platform import Platform, Process
from dev.ports import SERVICES, port
from dev.state import State
from dev.waiting import until

OWNER = "chassis.e2e.owner"
"""The label that names the machine and the process that a container or network belongs to."""
HARDENED: Mapping[str, Any] = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "pids_limit": 128,
    "mem_limit": "512m",
}
_MACHINE = socket.gethostname()
LABELS: Mapping[str, str] = {OWNER: f"{_MACHINE} {os.getpid()}"}
"""The labels of what this process owns."""
_INSIDE = {"postgres": 5432, "redis": 6379}
_PASSWORD = "p@ss%w:rd/?#"  # noqa: S105 - of a database that lives as long as a test


class Contained(DockerContainer):
    """A container of a service, with the interface of a process; it is removed when it has ended.

    Args:
        image: of the service.
        command: for the image's entrypoint.
        log: where its output goes.
        publish: ports inside to ports of loopback.
    """

    def __init__(self, image: str, command: str, log: Path, publish: Mapping[int, int]) -> None:
        super().__init__(image, command=command)
        self.with_kwargs(**HARDENED, labels=LABELS).with_tmpfs_mount("/tmp", "size=16m")  # noqa: S108 - inside
        self.ports = loopback(publish)
        self.returncode: int | None = None
        self._log = log
        self._follower = Thread(target=self._follow, daemon=True)

    def start(self) -> Self:
        """Start it, and let its output go to the log."""
        super().start()
        self._follower.start()
        return self

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        if self.returncode is None:
            self.reload()
            if self.status == "exited":
                return self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended, remove it and return its exit code."""
        if self.returncode is None:
            try:
                ended = self.get_wrapped_container().wait(timeout=timeout)
            except (ReadTimeout, NoAnswer) as late:
                raise subprocess.TimeoutExpired(self.image, timeout or 0) from late
            self._follower.join()
            self.returncode = int(ended["StatusCode"])
            self.stop()
        return self.returncode

    def terminate(self) -> None:
        """Ask it to end."""
        self._signal("SIGTERM")

    def kill(self) -> None:
        """End it."""
        self._signal("SIGKILL")

    def _signal(self, name: str) -> None:
        if self.returncode is None:
            self.get_wrapped_container().kill(name)

    def _follow(self) -> None:
        # Unbuffered: a line must be whole for whoever reads the log meanwhile.
        with self._log.open("ab", buffering=0) as log:
            for line in self.get_wrapped_container().logs(stream=True, follow=True):
                log.write(line)


class Stores:
    """PostgreSQL and Redis as containers on a network of their own.

    Args:
        ports: where on loopback they are to listen: they keep these when they start anew.
    """

    def __init__(self, ports: Mapping[str, int]) -> None:
        pins = images()
        self.network = Network(docker_network_kw={"labels": LABELS})
        self.postgres = PostgresContainer(
            pins["POSTGRES_IMAGE"], username="owner", password=_PASSWORD, driver=None
        )
        self.redis = RedisContainer(pins["REDIS_IMAGE"])
        for name, store in (("postgres", self.postgres), ("redis", self.redis)):
            store.with_kwargs(labels=LABELS).with_network(self.network)
            store.with_network_aliases(name).ports = loopback({_INSIDE[name]: ports[name]})
        self.settings: dict[str, str] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Start both, and make a database for each service."""
        with ExitStack() as stack:
            for part in (self.network, self.postgres, self.redis):
                stack.enter_context(part)
            server = self.postgres.get_connection_url(host="127.0.0.1")
            until(lambda: _reachable(server), 30, "PostgreSQL does not accept connections")
            redis = f"redis://127.0.0.1:{self.redis.get_exposed_port(6379)}/0"
            for service in SERVICES:
                execute(server, f'CREATE DATABASE "{service}"')
                database = make_url(server).set(database=service)
                self.settings[f"{service.upper()}_DATABASE__URL"] = rendered(database)
                self.settings[f"{service.upper()}_REDIS__URL"] = redis
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove both."""
        self._open.close()

    @property
    def gateway(self) -> str:
        """The address that the network knows this machine by."""
        network = self.network._unwrap_network  # noqa: SLF001 - there is no other way to it
        network.reload()
        return str(network.attrs["IPAM"]["Config"][0]["Gateway"])


class ContainerPlatform(Platform):
    """The platform of which every process is a container.

    Args:
        state: the folder for data and logs.
        given: environment variables that win, as they look from this machine.
        stores: that run.
        built: the images of the services.
    """

    def __init__(
        self, state: State, given: Mapping[str, str], stores: Stores, built: Mapping[str, str]
    ) -> None:
        collector = Collector(stores.gateway)
        super().__init__(state, {**given, **stores.settings}, collector=collector)
        self.stores = stores
        self._built = built

    def inside(self, service: str) -> dict[str, str]:
        """Return the service's environment as it is inside the network."""
        prefix, users = f"{service.upper()}_", f"http://users:{port({}, 'users')}"
        seen = {
            name: value
            for name, value in self.environment.items()
            if name.startswith((prefix, "OTEL_")) and f"{prefix}SERVER__" not in name
        }
        for name, store in (("DATABASE__URL", "postgres"), ("REDIS__URL", "redis")):
            moved = make_url(seen[prefix + name]).set(host=store, port=_INSIDE[store])
            seen[prefix + name] = rendered(moved)
        seen[f"{prefix}CLIENT_ADDRESS__TRUSTED_PROXIES"] = self.stores.gateway
        if service == "orders":
            seen["ORDERS_CLIENTS__USERS__URL"] = users
            seen["ORDERS_AUTH__JWKS_URL"] = f"{users}/.well-known/jwks.json"
            seen["ORDERS_AUTH__JWKS_ALLOW_HTTP"] = "true"
        return seen

    def container(
        self, service: str, command: str, log: str, publish: Mapping[int, int]
    ) -> Contained:
        """Return a container of the service, not started, on the network of the platform."""
        made = Contained(self._built[service], command, self.state.log(log), publish)
        made.with_envs(**self.inside(service)).with_network(self.stores.network)
        return made

    def _run(self, service: str, command: str) -> Process:
        serves = command == "serve"
        outer = {
            port({}, service, admin=admin): port(self.environment, service, admin=admin)
            for admin in (False, True)
        }
        name = service if serves else f"{service}-{command}"
        made = self.container(service, command, name, outer if serves else {})
        if serves:
            made.with_network_aliases(service)
        return cast("Process", made.start())


@contextmanager
def tidy() -> Iterator[None]:
    """Remove what dead processes of this machine left behind, and at the end what this one did.

    The reaper of testcontainers is off: it is one more image, and wants the engine's socket. What
    is published is on this machine's loopback, whatever testcontainers takes the machine for.
    """
    testcontainers_config.ryuk_disabled = True
    testcontainers_config.connection_mode_override = ConnectionMode.docker_host
    testcontainers_config.tc_host_override = "127.0.0.1"
    _remove(lambda process: not Path("/proc", process).exists())
    try:
        yield
    finally:
        _remove(lambda process: process == str(os.getpid()))


def loopback(publish: Mapping[int, int]) -> dict[str, Any]:
    """Return published ports as docker takes them: on loopback, out of others' reach."""
    return {f"{inner}/tcp": ("127.0.0.1", outer) for inner, outer in publish.items()}


def rendered(url: URL) -> str:
    """Return the URL as text, with its password."""
    return url.render_as_string(hide_password=False)


def _remove(is_left: Callable[[str], bool]) -> None:
    with closing(docker.from_env()) as engine:
        ours = {"label": OWNER}
        containers = engine.containers.list(all=True, filters=ours)
        for thing in [*containers, *engine.networks.list(filters=ours)]:
            labels = thing.attrs.get("Labels") or thing.attrs.get("Config", {}).get("Labels", {})
            machine, _, process = labels[OWNER].rpartition(" ")
            if machine == _MACHINE and is_left(process):
                with suppress(NotFound):
                    thing.remove(**({"force": True, "v": True} if thing in containers else {}))


def _reachable(server: str) -> bool:
    with suppress(OSError, PostgresError):
        return bool(execute(server, "SELECT true"))
    return False
