"""A short run of the chaos that `bench.orders_chaos` makes at length."""

import subprocess
import sys
from pathlib import Path

import pytest
from chassis_core.testing.servers import Missing, PostgresServer, RedisServer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def stores():
    """What the bench starts by itself is there to be started."""
    for kind in (PostgresServer, RedisServer):
        try:
            kind().close()
        except Missing as missing:
            pytest.skip(str(missing))


def test_no_order_is_lost_or_doubled_while_the_database_redis_and_orders_are_killed(
    stores, foreign_free
):
    # The time that a request takes is the bench's to judge: this machine does other things too.
    short = ["--orders", "150", "--kills", "1", "--slowest", "60"]
    command = [sys.executable, "-m", "bench.orders_chaos", *short]
    ended = subprocess.run(
        command, cwd=ROOT, env=foreign_free, capture_output=True, text=True, check=False
    )
    print(ended.stdout)
    assert ended.returncode == 0, ended.stdout + ended.stderr
