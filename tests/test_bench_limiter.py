import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

pytestmark = pytest.mark.alone

ROOT = Path(__file__).parents[1]


@pytest.mark.e2e
@pytest.mark.timeout(240)
def test_the_limiter_meets_its_bars_over_processes_and_the_figures_are_printed():
    bench = subprocess.Popen(
        [sys.executable, "-m", "bench.limiter", "--quick"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        figures, _ = bench.communicate(timeout=200)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(bench.pid, signal.SIGKILL)
    print(figures)
    if bench.returncode == 2:
        pytest.skip("Redis is not installed: apt install redis-server")
    assert bench.returncode == 0, figures
    assert figures.count("ok  ") == 6
