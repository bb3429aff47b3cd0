"""A PostgreSQL server for tests, and a new database on it for each."""

import asyncio
import shutil
import subprocess
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import asyncpg
from sqlalchemy.engine import make_url

from chassis_core.testing.servers.process import Missing, ServerProcess

ENVIRONMENT = "CHASSIS_TEST_POSTGRES_URL"
"""Names a running server to test on instead; its user must be allowed to create databases."""

PASSWORD = "p@ss%w:rd/?#[]"
"""Every character that a URL, or Alembic's interpolation, could trip over."""

DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian keeps the programs of each version, off PATH."""

# A commit survives the kill of the server, though not of the machine.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "autovacuum": "off",
}


class PostgresServer(ServerProcess):
    """PostgreSQL without durability: fast, and gone after the tests.

    Raises:
        Missing: no `postgres` and `initdb` on PATH or under /usr/lib/postgresql.
    """

    user = "postgres"

    def __init__(self) -> None:
        self._binaries = binaries()
        super().__init__()
        self.url = (
            f"postgresql://postgres:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/postgres"
        )

    def _prepare(self) -> None:
        (self.folder / "password").write_text(PASSWORD)
        initdb = [str(self._binaries / "initdb"), "-D", "data", "-U", "postgres", "-N"]
        options = ["-A", "scram-sha-256", "--pwfile=password", "-E", "UTF8", "--locale=C"]
        with (self.folder / "initdb").open("wb") as output:
            process = self._spawn([*initdb, *options], output.fileno())
        if process.wait() != 0:
            raise RuntimeError(f"initdb failed: {(self.folder / 'initdb').read_text()[-2000:]}")

    def _command(self) -> list[str]:
        options = [part for key, value in _SETTINGS.items() for part in ("-c", f"{key}={value}")]
        return [str(self._binaries / "postgres"), "-D", "data", "-p", str(self.port), *options]

    def _accepts(self) -> bool:
        ready = [str(self._binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """Create an empty database on the server at `server_url`, yield its URL, drop it."""
    name = f"test_{uuid4().hex}"
    execute(server_url, f'CREATE DATABASE "{name}"')
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        execute(server_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def execute(url: str, statement: str) -> list[Any]:
    """Run one statement at `url` and return its rows; works in and out of an event loop."""

    async def run() -> list[Any]:
        connection = await asyncpg.connect(url)
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()

    return _apart(run())


def _apart(coroutine: Coroutine[Any, Any, list[Any]]) -> list[Any]:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def binaries() -> Path:
    """Return the folder of PostgreSQL's programs; of several versions, the newest.

    Raises:
        Missing: there is none.
    """
    if (found := shutil.which("postgres")) is not None:
        return Path(found).resolve().parent
    installed = [path.parent for path in DEBIAN.glob("*/bin/postgres")]
    if not installed:
        raise Missing("PostgreSQL is not installed: apt install postgresql, or set " + ENVIRONMENT)
    return max(installed, key=lambda folder: float(folder.parent.name))
