"""Two instances restarted one after the other under load: `python -m bench.rolling`.

A balancer in this process follows their readiness two seconds late, as kube-proxy does, and sends
200 requests a second that do not wait for answers, on new connections or on kept ones, or leaves
that to HAProxy. Exit code 1: a request failed, a probe was wrong, an instance did not end in time
with code 0, or a span or line of the last requests is missing.
"""

import argparse
import asyncio
import itertools
import shutil
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import uvloop
from chassis_core.testing.servers.process import free_port
from dev.collector import Collector

from bench.client import Answer, Client, at_rate, percentile
from bench.instance import Instance

LATE = 2.0
"""Seconds after which the balancer hears of readiness."""
HAPROXY = """
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
frontend public
    bind 127.0.0.1:{port}
    default_backend instances
backend instances
    option httpchk GET /readyz
    http-check expect status 200
    retries 0
    server one 127.0.0.1:{one.port} check port {one.admin_port} inter 500ms fall 2 rise 1
    server two 127.0.0.1:{two.port} check port {two.admin_port} inter 500ms fall 2 rise 1
"""

Visit = Callable[[float], Awaitable[Answer]]


class End(NamedTuple):
    """How an instance ended: seconds until it was unready, failed probes of liveness, seconds in
    all, exit code, and the last lines whose span did not arrive."""

    unready: float
    dead: int
    seconds: float
    code: int | None
    spanless: int


class Balancer:
    """Sends each request to the next instance that was ready a while ago."""

    def __init__(self, instances: list[Instance], *, keep: bool) -> None:
        self._clients = {i.port: Client(i.port, keep=keep) for i in instances}
        self._instances = instances
        self._ready = [i.port for i in instances]
        self._turn = itertools.count()

    async def follow(self) -> None:
        """Ask for readiness ten times a second; act on it later."""
        loop = asyncio.get_running_loop()
        while True:
            ready = [
                i.port for i in self._instances if (await i.admin.get("/readyz")).status == 200
            ]
            loop.call_later(LATE, self._hear, ready)
            await asyncio.sleep(0.1)

    def _hear(self, ready: list[int]) -> None:
        self._ready = ready or self._ready

    async def visit(self, due: float) -> Answer:
        """Send one request; every tenth takes longer than the restart of its instance."""
        number = next(self._turn)
        port = self._ready[number % len(self._ready)]
        path = "/wait/2" if number % 10 == 0 else "/ping"
        return await self._clients[port].get(path, since=due)


async def main(options: argparse.Namespace) -> int:
    async with AsyncExitStack() as stack:
        collector = stack.enter_context(Collector())
        settings = {
            "environment": "production",
            "server": {"drain_delay": options.drain_delay},
            "auth": {"mode": "hmac", "secret": "x" * 32, "issuer": "i", "audience": "a"},
        }
        exports = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACES_SAMPLER": "always_on"}
        instances = [Instance(settings, exports) for _ in range(2)]
        for instance in instances:
            await stack.enter_async_context(instance)
        balancer = Balancer(instances, keep=options.on == "kept")
        visit = balancer.visit
        if options.on == "haproxy":
            visit = await _through_haproxy(stack, instances)
        following = asyncio.create_task(balancer.follow())
        try:
            return await _measure(instances, collector, visit, options)
        finally:
            following.cancel()


async def _measure(
    instances: list[Instance], collector: Collector, visit: Visit, options: argparse.Namespace
) -> int:
    restarting = asyncio.create_task(_restart(instances, collector, options.restarts))
    answers: list[Answer] = []
    while not restarting.done():
        answers += await at_rate(options.rate, 1, visit)
    ends = await restarting
    failed = [a for a in answers if a.status != 200]
    quick = [a.seconds for a in answers if a.seconds < 1.9]
    print(f"requests          {len(answers):6} on {options.on} connections")
    print(f"failed            {len(failed):6} {dict(Counter(a.head[:60] for a in failed))}")
    print(f"p50, p99          {percentile(quick, 0.5):6.1f} {percentile(quick, 0.99):.1f} ms")
    print(f"restarts          {len(ends):6}")
    print(f"readiness said no {max(e.unready for e in ends) * 1000:6.0f} ms after SIGTERM at most")
    print(f"liveness failed   {sum(e.dead for e in ends):6} times before the end")
    print(f"took to end       {max(e.seconds for e in ends):6.1f} s at most")
    print(f"codes             {sorted({e.code for e in ends})}")
    print(f"spans missing     {sum(e.spanless for e in ends):6} of the last requests' lines")
    held = [
        not failed,
        all(e.code == 0 and not e.dead and not e.spanless for e in ends),
        all(e.unready < 0.5 + options.slack for e in ends),
        all(e.seconds < options.drain_delay + 2 + 3 + options.slack for e in ends),
    ]
    return 0 if all(held) else 1


async def _restart(instances: list[Instance], collector: Collector, times: int) -> list[End]:
    ends = []
    for number in range(times):
        instance = instances[number % 2]
        await asyncio.sleep(LATE + 1)
        ends.append(await _end(instance, collector))
        await instance.start()
    await asyncio.sleep(LATE)
    return ends


async def _end(instance: Instance, collector: Collector) -> End:
    began = time.monotonic()
    instance.process.terminate()
    while (await instance.admin.get("/readyz")).status == 200:  # noqa: ASYNC110 - a process
        await asyncio.sleep(0.02)
    unready, dead = time.monotonic() - began, 0
    while instance.process.returncode is None:
        alive = (await instance.admin.get("/livez")).status
        dead += alive not in {200, 0}
        await asyncio.sleep(0.1)
    lines = [line for line in instance.lines() if line["event"] == "request"][-50:]
    spanless = sum(not collector.trace(line["trace_id"]) for line in lines)
    seconds = time.monotonic() - began
    code = instance.process.returncode
    return End(unready, dead, seconds, code, spanless)


async def _through_haproxy(stack: AsyncExitStack, instances: list[Instance]) -> Visit:
    port = free_port()
    folder = Path(stack.enter_context(TemporaryDirectory()))
    one, two = instances
    (folder / "haproxy.cfg").write_text(HAPROXY.format(port=port, one=one, two=two))
    proxy = await asyncio.create_subprocess_exec(
        *("haproxy", "-db", "-q", "-f", str(folder / "haproxy.cfg"))
    )
    stack.push_async_callback(proxy.wait)
    stack.callback(proxy.terminate)
    client, turn = Client(port), itertools.count()
    while (await client.get("/ping")).status != 200:  # noqa: ASYNC110 - a process
        await asyncio.sleep(0.1)

    async def visit(due: float) -> Answer:
        path = "/wait/2" if next(turn) % 10 == 0 else "/ping"
        return await client.get(path, since=due)

    return visit


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.rolling", description=__doc__)
    parser.add_argument("--on", choices=("new", "kept", "haproxy"), default="new")
    parser.add_argument("--restarts", type=int, default=10)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--drain-delay", type=float, default=5)
    parser.add_argument("--slack", type=float, default=0, help="seconds for a busy machine")
    return parser.parse_args()


if __name__ == "__main__":
    options = _options()
    if options.on == "haproxy" and shutil.which("haproxy") is None:
        sys.exit("bench.rolling needs haproxy: apt-get install haproxy")
    sys.exit(uvloop.run(main(options)))
