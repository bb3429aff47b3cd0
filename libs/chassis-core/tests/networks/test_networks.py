"""An app whose way to Redis and to another service is broken below TCP."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.alone
INSIDE = Path(__file__).with_name("inside.py")
FAULTS = ("dropped", "reset", "lossy", "narrow")
PREPARED = "ip link set lo up && iptables -A INPUT -j ACCEPT && tc qdisc show dev lo"


@pytest.fixture(scope="module")
def namespace() -> list[str]:
    """The beginning of a command that runs in a network namespace of its own."""
    missing = [each for each in ("unshare", "ip", "iptables", "tc") if shutil.which(each) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)}: apt install util-linux iproute2 iptables")
    if shutil.which("redis-server") is None:
        pytest.skip("Redis is not installed: apt install redis-server")
    command = ["unshare", "--net"]
    tried = subprocess.run([*command, "sh", "-c", PREPARED], capture_output=True, check=False)
    if tried.returncode != 0:
        pytest.skip("no network namespace with packet filters of our own: run as root of a machine")
    return command


@pytest.fixture(scope="module")
def answers(namespace: list[str]) -> dict[str, Any]:
    """What the app answered under each fault."""
    command = [*namespace, sys.executable, str(INSIDE), *FAULTS]
    environment = {name: value for name, value in os.environ.items() if "OTEL" not in name}
    ran = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("fault", FAULTS)
def test_an_app_answers_in_time_and_recovers_when_its_packets_are(
    answers: dict[str, Any], fault: str
) -> None:
    found = answers[fault]
    print(fault, found)
    # What Redis only helps with goes on without it; what needs the other service says so in time.
    assert set(found["/limited"]["statuses"]) == {"200"}
    assert set(found["/cached"]["statuses"]) == {"200"}
    assert set(found["/upstream"]["statuses"]) <= {"200", "502", "503", "504"}
    assert found["/limited"]["longest"] < 1
    assert found["/cached"]["longest"] < 1
    assert found["/upstream"]["longest"] < 2 + 1
    assert found["recovered"] < 10
    if fault == "dropped":
        assert "200" not in found["/upstream"]["statuses"]
