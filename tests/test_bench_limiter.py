import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.e2e
def test_the_limiter_meets_its_bars_over_processes_and_the_figures_are_printed():
    bench = [sys.executable, "-m", "bench.limiter", "--quick"]
    ran = subprocess.run(bench, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    print(ran.stdout)
    if ran.returncode == 2:
        pytest.skip(ran.stderr.strip())
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("ok  ") >= 6
