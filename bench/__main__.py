"""Compares bare FastAPI with the full stack: `uv run python -m bench`.

uvicorn runs on one core, wrk on the other; the two apps are measured in turn, round by round, so
that a machine whose speed drifts slows both. The ratio of the medians is the figure to quote.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from socket import create_server

SAMPLING = "0.1"


def main() -> int:
    options = _options()
    if shutil.which("wrk") is None:
        print("bench needs wrk: apt-get install wrk", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        collector = stack.enter_context(_collector())
        names = ("bare", "chassis")
        urls = {name: stack.enter_context(_serving(name, collector)) for name in names}
        rates: dict[str, list[float]] = {name: [] for name in urls}
        for url in urls.values():
            _wrk(url, seconds=1)
        for _ in range(options.rounds):
            for name, url in urls.items():
                rates[name].append(_wrk(url, seconds=options.seconds))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, values in rates.items():
        spread = f"{min(values):.0f}-{max(values):.0f}"
        print(f"{name:8} {medians[name]:8.0f} requests/s  ({spread} in {options.rounds} rounds)")
    cost = 1e6 / medians["chassis"] - 1e6 / medians["bare"]
    ratio = medians["chassis"] / medians["bare"]
    print(f"ratio    {ratio:8.2f}  ({cost:.0f} us a request; tracing sampled at {SAMPLING})")
    return 0 if ratio >= options.at_least else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of load in each round")
    parser.add_argument("--at-least", type=float, default=0.40, help="exit 1 below this ratio")
    return parser.parse_args()


class _Collector(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def _collector() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def _serving(name: str, collector: str) -> Iterator[str]:
    with create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "bench.server", name, str(port)]
    environment = os.environ | {
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": SAMPLING,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
    }
    server = subprocess.Popen(_pinned(0, command), env=environment, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/ping"
    try:
        _wait(url, server)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"bench: {url} does not answer")


def _wrk(url: str, *, seconds: int) -> float:
    command = _pinned(1, ["wrk", "-t1", "-c16", f"-d{seconds}s", url])
    report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in report:
        raise SystemExit(f"bench: {url} answers errors\n{report}")
    match = re.search(r"Requests/sec:\s+([\d.]+)", report)
    assert match, report
    return float(match[1])


def _pinned(core: int, command: list[str]) -> list[str]:
    many = len(os.sched_getaffinity(0)) > 1
    return ["taskset", "-c", str(core), *command] if many else command


if __name__ == "__main__":
    sys.exit(main())
