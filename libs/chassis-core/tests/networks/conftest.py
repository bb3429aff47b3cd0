import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PREPARED = "ip link set lo up && iptables -A INPUT -j ACCEPT && tc qdisc show dev lo"


@pytest.fixture(scope="module")
def namespace():
    """The beginning of a command that runs in a network namespace of its own."""
    missing = [each for each in ("unshare", "ip", "iptables", "tc") if shutil.which(each) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)}: apt install util-linux iproute2 iptables")
    command = ["unshare", "--net"]
    tried = subprocess.run([*command, "sh", "-c", PREPARED], capture_output=True, check=False)
    if tried.returncode != 0:
        pytest.skip("no network namespace with packet filters of our own: run as root of a machine")
    return command


@pytest.fixture(scope="module")
def inside(namespace):
    """Runs a script of this folder in such a namespace, and returns what it found."""

    def run(script, *words):
        environment = {name: value for name, value in os.environ.items() if "OTEL" not in name}
        ran = subprocess.run(
            [*namespace, sys.executable, str(HERE / script), *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout.splitlines()[-1])

    return run
