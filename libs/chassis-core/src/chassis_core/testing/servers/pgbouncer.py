"""PgBouncer in front of a PostgreSQL server, for tests."""

import shutil
from pathlib import Path

from sqlalchemy.engine import make_url

from chassis_core.testing.servers.process import Missing, ServerProcess

SBIN = Path("/usr/sbin/pgbouncer")
"""Where Debian keeps it, off the PATH of ordinary users."""
_INI = """
[databases]
* = host={host} port={port} connect_query='SET statement_timeout = 2000'

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = plain
auth_file = users.txt
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 200
; Seconds for which a server that did not let it in is left alone. The default, 15, would make every
; restart of the server an outage of so long.
server_login_retry = 1
"""


class PgBouncer(ServerProcess):
    """PgBouncer in transaction mode: its clients share a few connections to the server.

    Args:
        url: of a database on the server.
        pool_size: connections to the server.

    Raises:
        Missing: no `pgbouncer` on PATH or in /usr/sbin.
    """

    user = "postgres"

    def __init__(self, url: str, *, pool_size: int = 3) -> None:
        found = shutil.which("pgbouncer") or (str(SBIN) if SBIN.exists() else None)
        if found is None:
            raise Missing("PgBouncer is not installed: apt install pgbouncer")
        self._binary = found
        self._server = make_url(url)
        self._pool_size = pool_size
        super().__init__()
        through = self._server.set(host="127.0.0.1", port=self.port)
        self.url = through.render_as_string(hide_password=False)

    def _prepare(self) -> None:
        password = str(self._server.password or "").replace('"', '""')
        (self.folder / "users.txt").write_text(f'"{self._server.username}" "{password}"\n')
        ini = _INI.format(
            host=self._server.host,
            port=self._server.port,
            listen_port=self.port,
            pool_size=self._pool_size,
        )
        (self.folder / "pgbouncer.ini").write_text(ini)

    def _command(self) -> list[str]:
        return [self._binary, "pgbouncer.ini"]
