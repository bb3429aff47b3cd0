"""Real servers for tests, started on free ports from the machine's own binaries."""

from chassis_core.testing.servers.pgbouncer import PgBouncer
from chassis_core.testing.servers.postgres import PostgresServer, execute, fresh_database
from chassis_core.testing.servers.process import Missing, ServerProcess
from chassis_core.testing.servers.redis import RedisServer

__all__ = [
    "Missing",
    "PgBouncer",
    "PostgresServer",
    "RedisServer",
    "ServerProcess",
    "execute",
    "fresh_database",
]
