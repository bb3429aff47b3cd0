"""Orders under steady load while users is killed, hangs, is slow, or fails."""

import asyncio
import signal
import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from uuid import uuid4

import httpx2
import pytest
from chassis_core.testing import Proxy, eventually
from dev.platform import Platform
from dev.state import State
from dev.visitor import ORDER, Visitor
from prometheus_client.parser import text_string_to_metric_families

RATE = 20
FAILING = b"HTTP/1.1 500 Oops\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\noops!"
# Nothing is kept, so that each order needs users; keys lapse, so that verifying would, too.
SETTINGS = {
    "ORDERS_PROFILE_TTL": "0",
    "ORDERS_AUTH__JWKS_TTL": "1",
    "ORDERS_AUTH__TOKEN_CACHE_SIZE": "0",
    "ORDERS_RATE_LIMIT__ROUTES": '{"place_order": "100000/hour"}',
    "ORDERS_DATABASE__LOCK_TIMEOUT": "10",
    "ORDERS_DATABASE__POOL_TIMEOUT": "10",
}


@dataclass
class Between:
    """The platform, and the proxy through which orders reaches users."""

    platform: Platform
    proxy: Proxy
    token: str

    def do(self, fault):
        if fault == "slow":
            self.proxy.delay = 3
        elif fault == "failing":
            self.proxy.answer = FAILING
        else:
            self.platform.processes["users"].send_signal(
                {"killed": signal.SIGKILL, "hung": signal.SIGSTOP}[fault]
            )

    async def undo(self, fault):
        self.proxy.heal()
        if fault == "hung":
            self.platform.processes["users"].send_signal(signal.SIGCONT)
        elif fault == "killed":
            self.platform.processes.pop("users").wait()
            self.platform.start("users")
        await asyncio.to_thread(self.platform.wait_ready, "users")

    async def sample(self, name, **labels):
        """Return the sum of the samples of this name that have these labels."""
        async with httpx2.AsyncClient(timeout=10) as http:
            text = (await http.get(f"{self.platform.admin_url('orders')}/metrics")).text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    async def sent(self):
        """Return how many attempts have gone to users: all but those refused on our side."""
        name = "http_client_request_duration_seconds_count"
        return (
            await self.sample(name, server="users")
            - await self.sample(name, server="users", outcome="open")
            - await self.sample(name, server="users", outcome="busy")
        )


@pytest.fixture(scope="module")
async def between(tmp_path_factory, foreign_free, free_ports):
    ports = free_ports()
    async with Proxy(int(ports["USERS_SERVER__PORT"])) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        ways = {
            "ORDERS_CLIENTS__USERS__URL": url,
            "ORDERS_AUTH__JWKS_URL": f"{url}/.well-known/jwks.json",
        }
        state = State(tmp_path_factory.mktemp("between"))
        platform = Platform(state, foreign_free | ports | ways | SETTINGS)
        await asyncio.to_thread(platform.__enter__)
        try:
            yield Between(platform, proxy, await asyncio.to_thread(token_of, platform))
        finally:
            await asyncio.to_thread(platform.__exit__)


def token_of(platform):
    with Visitor(platform.record()["urls"]) as visitor:
        visitor.register("Ada")
        return visitor.log_in()


@dataclass
class Load:
    """Orders read and placed in turn, at a steady rate; each is timed from when it was due."""

    http: httpx2.AsyncClient
    answers: list = field(default_factory=list)
    details: Counter = field(default_factory=Counter)

    async def one(self, method, due):
        options = {"json": ORDER, "headers": {"Idempotency-Key": str(uuid4())}}
        answer = await self.http.request(
            method, "/v1/orders", **(options if method == "POST" else {})
        )
        self.answers.append((method, answer.status_code, time.perf_counter() - due))
        if answer.status_code >= 400:
            self.details[method, answer.json()["detail"]] += 1

    async def run(self, stop):
        start = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in count():
                if stop.is_set():
                    return
                due = start + number / RATE
                await asyncio.sleep(max(0, due - time.perf_counter()))
                group.create_task(self.one(("GET", "POST")[number % 2], time.perf_counter()))

    def statuses(self, method):
        return Counter(status for each, status, _ in self.answers if each == method)

    def p95(self, method):
        held = sorted(seconds for each, _, seconds in self.answers if each == method)
        return held[int(len(held) * 0.95)]


@asynccontextmanager
async def loaded(between):
    headers = {"Authorization": f"Bearer {between.token}"}
    url = between.platform.url("orders")
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=30) as http:
        load, stop = Load(http), asyncio.Event()
        task = asyncio.create_task(load.run(stop))
        try:
            yield load
        finally:
            stop.set()
            await task


@pytest.mark.parametrize("fault", ["killed", "hung", "slow", "failing"])
async def test_only_what_needs_users_notices_that_it_is(between, fault):
    async with loaded(between) as before:
        await asyncio.sleep(1.5)
    sent = await between.sent()
    began = time.perf_counter()
    between.do(fault)

    async def opened():
        return await between.sample("http_client_breaker_state", server="users") == 2

    async with loaded(between) as during:
        await eventually(opened, within=10, every=0.1)
        opens = time.perf_counter() - began
        await asyncio.sleep(2.5)
    attempts = await between.sent() - sent
    await between.undo(fault)
    began = time.perf_counter()

    async def closed():
        return await between.sample("http_client_breaker_state", server="users") == 0

    async with loaded(between) as healing:
        await eventually(closed, within=10, every=0.1)
        closes = time.perf_counter() - began
    async with loaded(between) as after:
        await asyncio.sleep(1)

    placed = during.statuses("POST")
    print(
        f"{fault}: opened after {opens:.1f} s, {attempts:.0f} attempts for {placed.total()} orders,"
        f" closed {closes:.1f} s after it was back; orders {dict(placed)},"
        f" reads {dict(during.statuses('GET'))}, p95 of reads {before.p95('GET') * 1000:.0f} ms"
        f" before and {during.p95('GET') * 1000:.0f} ms during, of orders"
        f" {during.p95('POST') * 1000:.0f} ms during"
    )
    for quiet in (before, after):
        assert not quiet.details
        assert set(quiet.statuses("POST")) == {201}
    for load in (before, during, healing, after):
        assert not [detail for detail in load.details if detail[0] == "GET"]
    assert set(placed) <= {201, 502, 503, 504}
    assert opens <= 5
    assert attempts <= 1.1 * placed.total()
    assert closes <= 2 * 2 + 1  # a probe may have been under way; the next is due 2 s later
    assert during.p95("GET") < 0.3 + 5 * before.p95("GET")
    assert max(seconds for _, _, seconds in during.answers) < 2 + 2
