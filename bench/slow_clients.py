"""Slow clients beside good ones: `python -m bench.slow_clients`.

800 connections send a head or a body that does not come to its end, let one trickle byte by byte,
or do not read their answer, while good requests come at 100 a second on new connections. Exit code
1: one of the slow is still open after 20 seconds, or a good request failed.
"""

import argparse
import asyncio
import socket
import sys
import time
from collections.abc import Sequence
from itertools import cycle

import uvloop

from bench.client import Answer, Client, at_rate, p99, percentile
from bench.instance import Instance

HOST = b"Host: 127.0.0.1\r\n"
SLOW = {
    "head": b"GET /ping HTTP/1.1\r\n" + HOST + b"X-Slow: ",
    "body": b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 1000\r\n\r\na",
    "trickle": b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 1000\r\n\r\n",
    "read": b"GET /large HTTP/1.1\r\n" + HOST + b"\r\n",
}
IDLE = 0.25
"""Seconds between two bytes of a slow head or body: they do not help it."""


async def main(options: argparse.Namespace) -> int:
    server = {
        "header_timeout": 10 / options.faster,
        "body_timeout": 15 / options.faster,
        "write_timeout": 15 / options.faster,
    }
    async with Instance({"server": server}) as target:
        good = asyncio.create_task(_good(target, options))
        began = time.monotonic()
        kinds = cycle(SLOW)
        slow = [
            asyncio.create_task(_slow(target.port, kind, number / options.opened, options.bound))
            for number, kind in zip(range(options.connections), kinds, strict=False)
        ]
        closed = await asyncio.gather(*slow)
        took = time.monotonic() - began
        answers = await good
        samples = await target.samples()
    failed = sum(answer.status != 200 for answer in answers)
    open_still = closed.count(None)
    print(f"slow connections  {len(closed):6}, {open_still} still open after {options.bound:g} s")
    print(
        f"closed after      {max((c for c in closed if c is not None), default=0):6.1f} s at most"
    )
    print(f"good requests     {len(answers):6}, {failed} failed, in {took:.0f} s")
    print(f"p50, p99          {percentile([a.seconds for a in answers], 0.5):6.1f} ", end="")
    print(f"{p99(answers):.1f} ms")
    shed = {
        name: int(count) for name, count in samples.items() if "load_shed_requests_total" in name
    }
    print(f"shed              {shed}")
    return 1 if failed or open_still else 0


async def _good(target: Instance, options: argparse.Namespace) -> Sequence[Answer]:
    client = Client(target.port, keep=False)
    seconds = options.bound + options.connections / options.opened
    return await at_rate(options.rate, seconds, lambda due: client.get("/ping", since=due))


async def _slow(port: int, kind: str, after: float, bound: float) -> float | None:
    """Return after how many seconds the connection was closed, or None if it was not."""
    await asyncio.sleep(after)
    loop, began = asyncio.get_running_loop(), time.monotonic()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.sock_sendall(sock, SLOW[kind])
        while (passed := time.monotonic() - began) < bound:
            if await _is_closed(sock, kind):
                return passed
    return None


async def _is_closed(sock: socket.socket, kind: str) -> bool:
    await asyncio.sleep(IDLE)
    try:
        if kind in {"head", "trickle"}:
            sock.send(b"a")
        if kind == "read":
            # One byte at a time, and the end of the connection only shows in its error.
            return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
        return sock.recv(65_536) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.slow_clients", description=__doc__)
    parser.add_argument("--connections", type=int, default=800)
    parser.add_argument("--opened", type=float, default=200, help="slow connections a second")
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--bound", type=float, default=20, help="seconds")
    parser.add_argument("--faster", type=float, default=1, help="divides the server's timeouts")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(uvloop.run(main(_options())))
