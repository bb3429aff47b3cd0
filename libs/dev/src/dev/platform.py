"""The platform as processes: its services, migrated, ready, and stopped together."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, Self

from chassis_core.contract import prefix_of

from dev.collector import Collector
from dev.console import Trouble
from dev.environment import environment
from dev.ports import SERVICES, answers, port, refuse_taken
from dev.state import State
from dev.waiting import until

READY_WITHIN = 60.0
STOPPED_WITHIN = 30.0
TAIL = 15
"""Lines of a log that are shown of a process that ended."""
_OURS = (*map(prefix_of, SERVICES), "OTEL_")
_CHASSIS = str(Path(sys.executable).with_name("chassis"))


class Process(Protocol):
    """What the platform must be able to do with a process of it, as `subprocess` names it."""

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended and return the exit code; `TimeoutExpired` when it has not."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it."""


class Platform:
    """The services while the context is open.

    Args:
        state: the folder for data and logs.
        given: environment variables that win over what the platform would set.
        told: called with a few words at each step of the start.
        collector: where the services send spans; one on loopback if none is given.
    """

    def __init__(
        self,
        state: State,
        given: Mapping[str, str],
        told: Callable[[str], None] = lambda _: None,
        *,
        collector: Collector | None = None,
    ) -> None:
        self.state = state
        self.collector = collector or Collector()
        self.environment = environment(state, given, self.collector.url)
        self.processes: dict[str, Process] = {}
        self._told = told
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Start everything and wait until every service is ready."""
        with ExitStack() as stack:
            stack.enter_context(self.collector)
            stack.callback(self.stop)
            refuse_taken(self.environment)
            self._told("migrating")
            self.migrate()
            self._told("starting")
            for service in SERVICES:
                self.start(service)
            for service in SERVICES:
                self.wait_ready(service)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything, newest first."""
        self._open.close()

    def url(self, service: str) -> str:
        """Return the base URL of the service's public listener."""
        return f"http://127.0.0.1:{port(self.environment, service)}"

    def admin_url(self, service: str) -> str:
        """Return the base URL of the service's admin listener."""
        return f"http://127.0.0.1:{port(self.environment, service, admin=True)}"

    def record(self) -> dict[str, object]:
        """Return what the other commands need to find this platform."""
        traced = self.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == self.collector.url
        return {
            "pid": os.getpid(),
            "urls": {service: self.url(service) for service in SERVICES},
            "collector": self.collector.url if traced else None,
            "environment": {
                name: value for name, value in self.environment.items() if name.startswith(_OURS)
            },
        }

    def migrate(self) -> None:
        """Bring every database to the newest schema, side by side."""
        runs = {service: self._run(service, "migrate") for service in SERVICES}
        for service, process in runs.items():
            if process.wait() != 0:
                raise Trouble(
                    f"the migrations of {service} failed{self._tail(f'{service}-migrate')}"
                )

    def start(self, service: str) -> None:
        """Start one service; `wait_ready` says when it serves."""
        self.processes[service] = self._run(service, "serve")

    def wait_ready(self, service: str) -> None:
        """Wait until the service says it is ready.

        Raises:
            Trouble: it exited, or was not ready in time.
        """
        url = f"{self.admin_url(service)}/readyz"

        def ready() -> bool:
            self.check()
            return answers(url)

        until(
            ready, READY_WITHIN, f"{service} was not ready in time; see {self.state.log(service)}"
        )

    def check(self) -> None:
        """Raise `Trouble` if a service has exited by itself."""
        for service, process in self.processes.items():
            if (code := process.poll()) is not None:
                raise Trouble(f"{service} exited with {code}{self._tail(service)}")

    def end(self, service: str) -> int:
        """Ask one service to end, end it if it does not, and return its exit code."""
        self.processes[service].terminate()
        return _ended(self.processes.pop(service))

    def stop(self) -> None:
        """End every service, all at once."""
        for process in self.processes.values():
            process.terminate()
        while self.processes:
            _ended(self.processes.popitem()[1])

    def _run(self, service: str, command: str) -> Process:
        name = service if command == "serve" else f"{service}-{command}"
        return run(service, command, self.environment, self.state.log(name))

    def _tail(self, log: str) -> str:
        path = self.state.log(log)
        last = path.read_text("utf-8", "replace").splitlines()[-TAIL:]
        return "\n".join([f"; the end of {path}:", *(f"  {line[:300]}" for line in last)])


def run(
    service: str, command: str, environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Start a command of a service, whose output goes to the log."""
    guard = shutil.which("setpriv")  # where there is one, a killed parent leaves no child
    tied = [guard, "--pdeathsig", "TERM"] if guard else []
    with log.open("ab") as output:
        return subprocess.Popen(
            [*tied, _CHASSIS, command, service],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _ended(process: Process) -> int:
    try:
        return process.wait(STOPPED_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
