"""Compares bare FastAPI with the full stack: `python -m bench`.

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
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from chassis_core.testing.servers.process import free_port
from dev.collector import Collector
from dev.ports import answers
from dev.waiting import until

SAMPLING = "0.1"


def main() -> int:
    options = _options()
    if shutil.which("wrk") is None:
        print("bench needs wrk: apt-get install wrk", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        collector = stack.enter_context(Collector()).url
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


@contextmanager
def _serving(name: str, collector: str) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "bench.server", name, str(port)]
    environment = os.environ | {
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": SAMPLING,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
    }
    server = subprocess.Popen(_pinned(0, command), env=environment, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/ping"
    try:
        until(lambda: answers(url), 30, f"{url} does not answer")
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)


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
