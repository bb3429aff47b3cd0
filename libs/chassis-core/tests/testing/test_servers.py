import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from chassis_core.testing import stores
from chassis_core.testing.servers import PostgresServer, RedisServer, execute
from chassis_core.testing.servers import postgres as postgres_server
from chassis_core.testing.servers.process import family
from redis.exceptions import ConnectionError as Refused
from redis.exceptions import TimeoutError as NoAnswer
from sqlalchemy.engine import make_url

LEFT_ALONE = """
import sys, time
from chassis_core.testing.servers import RedisServer
server = RedisServer().__enter__()
print(server.folder, *server._family(), flush=True)
time.sleep(60)
"""


def client_of(own_redis: RedisServer) -> redis.Redis:
    return redis.Redis.from_url(own_redis.url, socket_timeout=0.2, retry=None)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_server_can_hang_and_go_on(own_redis: RedisServer) -> None:
    with client_of(own_redis) as client:
        assert client.ping()
        own_redis.pause()
        with pytest.raises(NoAnswer):
            client.ping()
        own_redis.resume()
        assert client.ping()


def test_a_server_can_be_lost_and_come_back_on_its_port(own_redis: RedisServer) -> None:
    with client_of(own_redis) as client:
        assert client.ping()
        own_redis.kill()
        with pytest.raises(Refused):
            client.ping()
        own_redis.start()
        assert client.ping()


def test_a_server_leaves_neither_process_nor_file(own_redis: RedisServer) -> None:
    pids = own_redis._family()
    own_redis.pause()
    own_redis.close()
    assert all(gone(pid) for pid in pids)
    assert not own_redis.folder.exists()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_does_not_outlive_tests_that_are_killed(own_redis, end: signal.Signals) -> None:
    command = [sys.executable, "-c", LEFT_ALONE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        folder, *pids = tests.stdout.readline().split()
        tests.send_signal(end)
    deadline = time.monotonic() + 10
    while Path(folder).exists() or not all(gone(int(pid)) for pid in pids):
        assert time.monotonic() < deadline, "the server is still there"
        time.sleep(0.02)


def test_each_test_has_an_empty_database_of_its_own(postgres_url: str, tmp_path: Path) -> None:
    assert execute(postgres_url, "SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []
    name = make_url(postgres_url).database
    assert execute(postgres_url, "SELECT current_database()")[0][0] == name
    assert name != "postgres"


def test_redis_is_empty(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


@pytest.mark.parametrize("kind, name", [(PostgresServer, "PostgreSQL"), (RedisServer, "Redis")])
def test_a_server_that_is_not_installed_skips_the_test_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: type, name: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres_server, "DEBIAN", tmp_path)
    with pytest.raises(pytest.skip.Exception, match=f"{name} is not installed: apt install"):
        next(stores._served(kind, "UNSET"))


def test_a_server_that_the_environment_names_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_URL", "redis://elsewhere")
    assert next(stores._served(RedisServer, "A_URL")) == "redis://elsewhere"


def test_a_family_is_a_process_and_its_descendants() -> None:
    with subprocess.Popen(
        ["sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert family(parent.pid) == [parent.pid, child]
        parent.kill()
        subprocess.run(["kill", str(child)], check=True)
