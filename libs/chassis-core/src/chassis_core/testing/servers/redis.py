"""A Redis server for tests."""

import shutil

import redis

from chassis_core.testing.servers.process import Missing, ServerProcess

ENVIRONMENT = "CHASSIS_TEST_REDIS_URL"
"""Names a running server to test on instead; the tests empty its database."""


class RedisServer(ServerProcess):
    """Redis that keeps nothing on disk.

    Raises:
        Missing: no `redis-server` (or `valkey-server`) on PATH.
    """

    def __init__(self) -> None:
        found = shutil.which("redis-server") or shutil.which("valkey-server")
        if found is None:
            raise Missing("Redis is not installed: apt install redis-server, or set " + ENVIRONMENT)
        self._binary = found
        super().__init__()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def _command(self) -> list[str]:
        options = {"port": str(self.port), "bind": "127.0.0.1", "save": "", "appendonly": "no"}
        return [
            self._binary,
            *(part for key, value in options.items() for part in (f"--{key}", value)),
        ]


def empty(url: str) -> None:
    """Remove every key of the database at `url`."""
    with redis.Redis.from_url(url) as client:
        client.flushdb()
