"""The platform under fault: users, two instances of orders, PostgreSQL and Redis, all real."""

import asyncio
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from chassis_core.testing.servers import PostgresServer, RedisServer, fresh_database
from chassis_core.testing.servers.process import free_port
from dev.environment import environment
from dev.platform import run
from dev.ports import answers, port, setting
from dev.state import State
from dev.visitor import Visitor
from dev.waiting import until

PATIENCE = 30.0
# The clients are few and fast; it is not their number that is tested.
_LIMITS = {
    "ORDERS_CLIENTS__USERS__TIMEOUT": "10",
    "ORDERS_CLIENTS__USERS__ATTEMPT_TIMEOUT": "10",
    "ORDERS_RATE_LIMIT__ROUTES": '{"place_order": "100000/minute"}',
    "ORDERS_RATE_LIMIT__DEFAULT": "100000/minute",
    "USERS_RATE_LIMIT__DEFAULT": "100000/minute",
}


class Replica:
    """One process of a service, on the ports that its settings say or on free ones."""

    def __init__(self, service: str, settings: Mapping[str, str], log: Path) -> None:
        self._settings = {**_free_ports(service), **settings}
        self.port = port(self._settings, service)
        self.url = f"http://127.0.0.1:{self.port}"
        self.ready_url = f"http://127.0.0.1:{port(self._settings, service, admin=True)}/readyz"
        self._service = service
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, command: str) -> subprocess.Popen[bytes]:
        """Start a command of the service; it ends when the bench does."""
        return run(self._service, command, self._settings, self._log)

    def start(self) -> None:
        """Start to serve."""
        self._process = self.run("serve")

    def kill(self) -> None:
        """End it as a lost machine would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it in order."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE)

    async def ready(self) -> None:
        """Wait until it says that it is ready."""
        otherwise = f"{self._service} was not ready; see {self._log}"
        ready = partial(answers, self.ready_url)
        await asyncio.to_thread(until, ready, PATIENCE, otherwise)


@dataclass(frozen=True, slots=True)
class Stack:
    """What runs, and the tokens of the customers."""

    postgres: PostgresServer
    redis: RedisServer
    database: str
    orders: tuple[Replica, Replica]
    tokens: list[str]


@contextmanager
def opened(folder: Path, *, customers: int = 4) -> Iterator[Stack]:
    """Start everything, register the customers, and stop it all at the end.

    Users keeps its data in SQLite: the faults are meant for orders and its stores alone.
    """
    with ExitStack() as stack:
        postgres = stack.enter_context(PostgresServer())
        redis = stack.enter_context(RedisServer())
        database = stack.enter_context(fresh_database(postgres.url))
        stores = {"ORDERS_DATABASE__URL": database, "ORDERS_REDIS__URL": redis.url}
        state = State(folder)
        settings = environment(state, _ours() | _LIMITS | _free_ports("users") | stores, "")
        shared = {name: value for name, value in settings.items() if "ORDERS_SERVER_" not in name}
        users = Replica("users", shared, state.log("users"))
        first, second = (Replica("orders", shared, state.log(f"orders-{n}")) for n in (1, 2))
        _start(stack, users, first, second)
        tokens = [_customer(users.url, n) for n in range(customers)]
        yield Stack(postgres, redis, database, (first, second), tokens)


def _ours() -> dict[str, str]:
    foreign = ("OTEL_", "USERS_", "ORDERS_", "CHASSIS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def _free_ports(service: str) -> dict[str, str]:
    return {setting(service, admin=admin): str(free_port()) for admin in (False, True)}


def _start(stack: ExitStack, *instances: Replica) -> None:
    for migration in [instance.run("migrate") for instance in instances]:
        if migration.wait(PATIENCE) != 0:
            raise SystemExit("the migrations failed")
    for instance in instances:
        instance.start()
        stack.callback(instance.stop)
    for instance in instances:
        asyncio.run(instance.ready())


def _customer(users: str, number: int) -> str:
    with Visitor({"users": users}, f"customer-{number}") as visitor:
        visitor.register(f"Customer {number}")
        return visitor.log_in()
