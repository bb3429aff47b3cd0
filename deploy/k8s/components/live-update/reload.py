"""Runs a command, and runs it again whenever a source file changes: reload.py FOLDER COMMAND...

FOLDER starts as a copy of the service's and the chassis' installed packages, and Python looks there
first; whoever writes a file into it changes the service.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

POLL = 0.3
GRACE = 25.0


def copy(folder: Path, packages: list[str]) -> None:
    """Copy the installed packages into the folder."""
    for package in packages:
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            sys.exit(f"reload: {package} is not installed")
        target = folder / package
        shutil.copytree(spec.submodule_search_locations[0], target, dirs_exist_ok=True)


def changes(folder: Path) -> dict[Path, int]:
    """Return when each source file under the folder was last written."""
    seen = {}
    for path in folder.rglob("*.py"):
        try:
            seen[path] = path.stat().st_mtime_ns
        except FileNotFoundError:
            continue
    return seen


def main(folder: Path, command: list[str]) -> int:
    """Run the command until SIGTERM; return its exit code."""
    copy(folder, [os.environ["CHASSIS_SERVICE"].replace("-", "_"), "chassis_core"])
    environment = os.environ | {"PYTHONPATH": str(folder)}
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: stopping.append(received))
    while True:
        before = changes(folder)
        process = subprocess.Popen(command, env=environment)  # noqa: S603 - what the pod is told
        # A service that ends by itself waits for the edit that mends it.
        while not stopping and changes(folder) == before:
            time.sleep(POLL)
        code = end(process)
        if stopping:
            return code


def end(process: "subprocess.Popen[bytes]") -> int:
    """Ask the process to end, end it if it does not, and return its exit code."""
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
