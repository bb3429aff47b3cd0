"""`./dev check`: format, lint, types, imports, deployed services, contract, shell, lock."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dev.console import DIM, GREEN, RED, Trouble, paint, say

_HERE = Path(sys.executable).parent
CHECKS = {
    "format": ["ruff", "format", "--check"],
    "lint": ["ruff", "check"],
    "types": ["mypy"],
    "imports": ["lint-imports"],
    "services": ["python", "deploy/k8s/services.py", "--check"],
    "contract": ["chassis", "check"],
    "shell": ["shellcheck", "dev", ".ci/run", "deploy/local/cluster"],
    "lock": [os.environ.get("UV", "uv"), "lock", "--check"],
}


def main(arguments: Sequence[str]) -> int:
    """Run every check, or those named; return 1 if one found something."""
    if unknown := set(arguments) - CHECKS.keys():
        raise Trouble(f"no check {', '.join(sorted(unknown))}; there are {', '.join(CHECKS)}")
    results = [_passes(name) for name in CHECKS if not arguments or name in arguments]
    return 0 if all(results) else 1


def _passes(name: str) -> bool:
    program, *rest = CHECKS[name]
    path = shutil.which(program, path=f"{_HERE}{os.pathsep}{os.environ['PATH']}")
    if path is None:
        raise Trouble(f"the check {name!r} needs {program}: run it as ./dev check")
    began = time.monotonic()
    found = subprocess.run(
        [path, *rest],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    mark = paint("✗", RED) if found.returncode else paint("✓", GREEN)
    say(f"{mark} {name:8}{paint(f'{time.monotonic() - began:5.1f} s', DIM)}")
    if found.returncode:
        say(found.stdout)
    return found.returncode == 0
