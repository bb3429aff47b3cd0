"""One server process of a test, and the faults that can be done to it."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

START_TIMEOUT = 30.0
"""Seconds a server has to accept connections: a busy machine takes long, a broken one longer."""
# QUIT ends PostgreSQL with its children; what ignores it, as children of a background job do, is
# killed.
_GUARD = 'read _; kill -CONT "$0"; kill -QUIT "$0"; sleep 1; kill -KILL "$0"; rm -rf "$1"'


class Missing(Exception):
    """The server is not installed; the text says what to install."""


class ServerProcess:
    """A server on a free loopback port, with its files in a folder of its own.

    A subclass says how it starts (`_command`), and may prepare the folder (`_prepare`).
    """

    user: str | None = None
    """The system user it runs as when the tests run as root."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="chassis-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _prepare(self) -> None:
        pass

    def __enter__(self) -> Self:
        try:
            if (account := self._account()) is not None:
                os.chown(self.folder, account.pw_uid, account.pw_gid)
            self._prepare()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server and remove its files."""
        with suppress(ProcessLookupError):
            self.resume()
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        log = self.folder / "log"
        with log.open("ab") as output:
            self._process = self._spawn(self._command(), output.fileno())
        self._guard = self._watch(self._process.pid)
        deadline = time.monotonic() + START_TIMEOUT
        while not self._accepts():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start: {log.read_text()[-2000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill the server and its children at once, as a lost machine would."""
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
            self._guard = None
        if self._process is None:
            return
        for pid in self._family():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        """Stop the server and its children in place: connections stay open and nothing answers."""
        for pid in self._family():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        for pid in self._family():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def restart(self) -> None:
        """Kill the server and start it again on the same port and files."""
        self.kill()
        self.start()

    def _accepts(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def _family(self) -> list[int]:
        return family(self._process.pid) if self._process is not None else []

    def _watch(self, server: int) -> subprocess.Popen[bytes]:
        # Its input ends when the tests do, however they end: even when they are killed.
        return subprocess.Popen(
            ["sh", "-c", _GUARD, str(server), str(self.folder)],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _spawn(self, command: list[str], output: int) -> subprocess.Popen[bytes]:
        account = self._account()
        # A session of its own: Ctrl-C is for the tests, which then stop the server in order.
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=self.folder,
            start_new_session=True,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )

    def _account(self) -> pwd.struct_passwd | None:
        if self.user is None or os.geteuid() != 0:
            return None
        with suppress(KeyError):
            return pwd.getpwnam(self.user)
        raise Missing(f"the system user {self.user!r}, which the server needs when root tests it")


def free_port() -> int:
    """Return a loopback port that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def family(pid: int) -> list[int]:
    """Return `pid` and its descendants, parents first (PostgreSQL's children lead own groups)."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for member in found:
        found += children.get(member, [])
    return found
