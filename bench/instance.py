"""An instance of the target as a process of its own."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self

from bench.client import Client


@dataclass
class Instance:
    """The target on ports of its own, until the block ends.

    Attributes:
        settings: of the service.
        environment: added to ours.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    admin_port: int = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def start(self) -> None:
        """Start it, on the ports it had before, and wait until it listens."""
        ports = {"port": self.port, "admin_port": self.admin_port}
        server = {**self.settings.get("server", {}), **ports}
        settings = {**self.settings, "server": server}
        self._log = TemporaryFile()  # noqa: SIM115 - as long as the process
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.target", json.dumps(settings)),
            stdout=self._log,
            env=os.environ | dict(self.environment),
        )
        said = await self.said("listening")
        self.port, self.admin_port = said["port"], said["admin_port"]
        self.admin = Client(self.admin_port)

    async def said(self, event: str) -> dict[str, Any]:
        """Wait for a log line."""
        async with asyncio.timeout(60):
            while True:
                for line in self.lines():
                    if line["event"] == event:
                        return line
                if self.process.returncode is not None:
                    raise SystemExit(f"the target ended without saying {event!r}")
                await asyncio.sleep(0.02)

    def lines(self) -> list[dict[str, Any]]:
        """Return its log so far; a whole line that is not JSON ends the run."""
        size = os.fstat(self._log.fileno()).st_size
        whole, _, _ = os.pread(self._log.fileno(), size, 0).rpartition(b"\n")
        return [json.loads(line) for line in whole.splitlines()]

    async def end(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.terminate()
        return await self.process.wait()

    async def samples(self) -> dict[str, float]:
        """Return its metrics: each series with its value."""
        body = (await self.admin.get("/metrics")).body.decode()
        rows = (row.rsplit(" ", 1) for row in body.splitlines() if not row.startswith("#"))
        return {name: float(value) for name, value in rows}

    def memory(self) -> int:
        """Return the bytes that it holds in memory."""
        return resident(self.process.pid)


def resident(process: int) -> int:
    """Return the bytes that a process holds in memory (RSS)."""
    pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
