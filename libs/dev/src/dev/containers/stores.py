"""PostgreSQL and Redis for a platform of containers."""

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Self

from asyncpg import PostgresError
from chassis_core.contract import prefix_of
from chassis_core.testing.servers import execute
from sqlalchemy.engine import URL, make_url
from testcontainers.community.postgres import PostgresContainer
from testcontainers.community.redis import RedisContainer
from testcontainers.core.network import Network

from dev.containers.contained import loopback
from dev.containers.owned import LABELS
from dev.images import images
from dev.ports import SERVICES
from dev.waiting import until

INSIDE: Mapping[str, int] = {"postgres": 5432, "redis": 6379}
"""Where each listens on the network, under its name."""
_PASSWORD = "p@ss%w:rd/?#"  # noqa: S105 - of a database that lives as long as a test


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
            store.with_network_aliases(name).ports = loopback({INSIDE[name]: ports[name]})
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
                self.settings[f"{prefix_of(service)}DATABASE__URL"] = rendered(database)
                self.settings[f"{prefix_of(service)}REDIS__URL"] = redis
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


def rendered(url: URL) -> str:
    """Return the URL as text, with its password."""
    return url.render_as_string(hide_password=False)


def _reachable(server: str) -> bool:
    with suppress(OSError, PostgresError):
        return bool(execute(server, "SELECT true"))
    return False
