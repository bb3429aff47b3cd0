"""One container of a service, hardened as it is in a cluster."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from typing import Any, Self

from requests.exceptions import ConnectionError as NoAnswer
from requests.exceptions import ReadTimeout
from testcontainers.core.container import DockerContainer

from dev.containers.owned import LABELS

HARDENED: Mapping[str, Any] = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "pids_limit": 128,
    "mem_limit": "512m",
}


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


def loopback(publish: Mapping[int, int]) -> dict[str, Any]:
    """Return published ports as docker takes them: on loopback, out of others' reach."""
    return {f"{inner}/tcp": ("127.0.0.1", outer) for inner, outer in publish.items()}
