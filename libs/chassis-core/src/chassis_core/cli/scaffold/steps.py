"""What has to be run once the files of a service are there: manifests, lock, installation."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chassis_core.cli.scaffold.refusal import Refused

Step = Sequence[str]


class Unfinished(Exception):
    """A step failed: the text says why, and which commands finish what is begun."""


def manifests() -> Step:
    """Return the step that tells kustomize about new services and changed migrations."""
    return (sys.executable, "deploy/k8s/services.py")


def steps(root: Path) -> list[Step]:
    """Return what makes a written service one that is deployed, locked and installed.

    Raises:
        Refused: there is no uv to do it with.
    """
    uv = _uv(root)
    return [manifests(), (uv, "lock"), (uv, "sync", "--all-packages", "--locked")]


def run(root: Path, steps: Sequence[Step]) -> None:
    """Run the steps in the folder of the platform.

    Raises:
        Unfinished: one failed.
    """
    cache = root / ".dev" / "cache"  # where ./dev keeps what it has downloaded
    given = ({"UV_CACHE_DIR": str(cache)} if cache.is_dir() else {}) | os.environ
    for number, step in enumerate(steps):
        if fault := _fault(step, cwd=root, env=given):
            rest = "\n".join(f"  {shlex.join(left)}" for left in steps[number:])
            raise Unfinished(
                f"{shlex.join(step)} failed: {fault}\n"
                f"All files are written. In {root}, finish with:\n{rest}"
            )


def _fault(step: Step, **options: Any) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - one of the above
            step, capture_output=True, text=True, check=False, **options
        )
    except OSError as error:
        return str(error)
    except KeyboardInterrupt:
        return "interrupted"
    return done.stderr.strip()[-2000:] or f"exit code {done.returncode}" if done.returncode else ""


def _uv(root: Path) -> str:
    ours = root / ".dev/uv/bin/uv"  # where ./dev installs it
    for found in (os.environ.get("UV"), "uv", str(ours)):
        if found and (path := shutil.which(found)):
            return path
    raise Refused("there is no uv to lock and install it with: run this as ./dev run chassis …")
