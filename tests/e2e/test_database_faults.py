"""Users and orders under load while their PostgreSQL hangs, and while it is restarted."""

import asyncio
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import asyncpg
import httpx2
import pytest
from chassis_core.testing.servers import fresh_database
from dev.platform import Platform
from dev.state import State
from dev.visitor import Visitor

SLACK = 2.5
"""A machine that does other things too may take so many times as long as is promised."""
HUNG_FOR = 5.0


@pytest.fixture(scope="module")
def own_platform(own_postgres, tmp_path_factory, foreign_free, free_ports):
    """A platform on a PostgreSQL server that these tests stop; both services share it."""
    with ExitStack() as stack:
        urls = {
            f"{service}_DATABASE__URL": stack.enter_context(fresh_database(own_postgres.url))
            for service in ("USERS", "ORDERS")
        }
        given = foreign_free | free_ports() | urls
        yield stack.enter_context(Platform(State(tmp_path_factory.mktemp("own")), given))


@pytest.fixture
def token(own_platform):
    with Visitor(own_platform.record()["urls"]) as visitor:
        visitor.register("Ada")
        yield visitor.log_in()


@dataclass(frozen=True)
class Seen:
    begun: float
    seconds: float
    status: int
    retry_after: str | None


class Load:
    """Asks one URL at a steady rate, whatever becomes of it, while the block is open."""

    def __init__(self, url, token=None, *, per_second=20):
        self.url = url
        self.seen = []
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._pause = 1 / per_second

    async def __aenter__(self):
        self._asking = asyncio.create_task(self._ask_on())
        return self

    async def __aexit__(self, *_):
        self._asking.cancel()
        await asyncio.wait({self._asking})

    async def _ask_on(self):
        async with httpx2.AsyncClient(timeout=30) as http, asyncio.TaskGroup() as tasks:
            start = time.monotonic()
            for number in range(10_000):
                await asyncio.sleep(max(0, start + number * self._pause - time.monotonic()))
                tasks.create_task(self._ask(http))

    async def _ask(self, http):
        begun = time.monotonic()
        answer = await http.get(self.url, headers=self._headers)
        took = time.monotonic() - begun
        self.seen.append(Seen(begun, took, answer.status_code, answer.headers.get("retry-after")))

    def since(self, moment):
        return [seen for seen in self.seen if seen.begun >= moment]

    async def until(self, condition, seconds):
        """Wait until the newest answer meets the condition, for so many seconds times SLACK."""
        deadline = time.monotonic() + seconds * SLACK
        while not (self.seen and condition(self.seen[-1])):
            assert time.monotonic() < deadline, self.seen[-3:]
            await asyncio.sleep(0.02)


def works_of(platform, token):
    """The routes that need the database, one of each service."""
    return (
        Load(f"{platform.url('users')}/v1/users/me", token),
        Load(f"{platform.url('orders')}/v1/orders", token),
    )


def connections(platform, service):
    text = httpx2.get(f"{platform.admin_url(service)}/metrics", timeout=10).text
    name = 'db_client_connection_count{db_client_connection_state="used"} '
    return float(text.partition(name)[2].split()[0])


async def test_a_database_that_hangs_is_503_soon_on_both_services_and_they_heal_by_themselves(
    own_platform, own_postgres, token
):
    users, orders = works_of(own_platform, token)
    admin = {service: own_platform.admin_url(service) for service in ("users", "orders")}
    ready = [Load(f"{url}/readyz", per_second=10) for url in admin.values()]
    alive = [Load(f"{url}/livez", per_second=10) for url in admin.values()]
    async with users, orders, ready[0], ready[1], alive[0], alive[1]:
        for load in (users, orders, *ready, *alive):
            await load.until(lambda seen: seen.status == 200, 10)
        own_postgres.pause()
        hung = time.monotonic()
        try:
            await asyncio.gather(*(r.until(lambda seen: seen.status == 503, 2) for r in ready))
            await asyncio.sleep(max(0, hung + HUNG_FOR - time.monotonic()))
        finally:
            healed = time.monotonic()
            own_postgres.resume()
        await asyncio.gather(
            *(work.until(lambda seen: seen.status == 200, 5) for work in (users, orders, *ready))
        )
        well = time.monotonic()
        await asyncio.sleep(1)
    for work in (users, orders):
        during = [seen for seen in work.since(hung) if seen.begun < healed]
        statuses = Counter(seen.status for seen in during)
        slowest = max(seen.seconds for seen in during)
        last_bad = max(s.begun for s in work.since(hung) if s.status != 200) - healed
        print(
            f"hung {HUNG_FOR:g} s: {dict(statuses)}, slowest {slowest:.2f} s,"
            f" the last 503 asked for {last_bad:.2f} s after the end"
        )
        assert set(statuses) <= {200, 503}
        assert all(seen.retry_after for seen in during if seen.status == 503)
        assert slowest <= 3 * SLACK
        assert {seen.status for seen in work.since(well)} <= {200}
    for probe in ready:
        failed = min(s.begun + s.seconds for s in probe.since(hung) if s.status == 503) - hung
        slowest = max(seen.seconds for seen in probe.seen)
        print(f"not ready after {failed:.2f} s, slowest probe {slowest:.2f} s")
        assert slowest <= 2 * SLACK
    assert {seen.status for load in alive for seen in load.seen} == {200}
    assert [connections(own_platform, service) for service in admin] == [0, 0]
    own_platform.check()


async def test_a_restart_of_the_database_costs_readers_next_to_nothing(
    own_platform, own_postgres, token
):
    users, orders = works_of(own_platform, token)
    async with users, orders:
        for load in (users, orders):
            await load.until(lambda seen: seen.status == 200, 10)
        for _ in range(3):
            await asyncio.to_thread(own_postgres.restart)
            await asyncio.sleep(1)
        await asyncio.gather(*(w.until(lambda s: s.status == 200, 2) for w in (users, orders)))
    seen = Counter(s.status for work in (users, orders) for s in work.seen)
    print(f"3 restarts in {len(users.seen) / 20:.0f} s: {dict(seen)}")
    assert set(seen) <= {200, 503}
    assert seen[503] <= seen[200] / 4
    own_platform.check()


async def take_every_connection(url, hogs):
    """Open connections until the server has none left, not even for those that it had before."""
    theirs = "FROM pg_stat_activity WHERE application_name IN ('users', 'orders')"
    hogs.append(await asyncpg.connect(url))
    while await hogs[0].fetchval(f"SELECT count(*) {theirs}") or len(hogs) == 1:
        await hogs[0].execute(f"SELECT pg_terminate_backend(pid) {theirs}")
        with suppress(asyncpg.TooManyConnectionsError):
            while True:
                hogs.append(await asyncpg.connect(url))


async def test_a_server_with_too_many_connections_is_503_until_it_has_room_again(
    own_platform, own_postgres, token
):
    works = works_of(own_platform, token)
    hogs = []
    async with works[0], works[1]:
        try:
            await take_every_connection(own_postgres.url, hogs)
            full = time.monotonic()
            await asyncio.gather(
                *(work.until(lambda seen: seen.status == 503, 5) for work in works)
            )
        finally:
            await asyncio.gather(*(hog.close() for hog in hogs))
        await asyncio.gather(*(work.until(lambda seen: seen.status == 200, 5) for work in works))
    seen = [seen for work in works for seen in work.seen]
    print(f"{len(hogs)} connections taken: {dict(Counter(s.status for s in seen))}")
    assert {s.status for s in seen} <= {200, 503}
    assert all(s.retry_after for s in seen if s.status == 503)
    assert max(s.seconds for s in seen if s.begun > full) <= 3 * SLACK
    own_platform.check()
