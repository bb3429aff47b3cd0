"""`./dev run COMMAND`: a command with the platform's settings and programs."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from dev.console import Trouble
from dev.environment import environment
from dev.state import State


def main(arguments: Sequence[str]) -> int:
    """Become the command; return only if there is none of that name."""
    if not arguments:
        raise Trouble("run what? For example: ./dev run users keys rotate")
    folders = [Path(sys.executable).parent, Path(os.environ.get("UV", sys.executable)).parent]
    path = os.pathsep.join([*map(str, folders), os.environ["PATH"]])
    settings = settings_of(State()) | {"PATH": path}
    try:
        os.execvpe(arguments[0], list(arguments), settings)  # noqa: S606 - that is the command
    except FileNotFoundError:
        raise Trouble(f"there is no command {arguments[0]!r}") from None


def settings_of(state: State) -> dict[str, str]:
    """Return the environment of the platform that runs, or that would run."""
    if running := state.running():
        found: dict[str, str] = running.get("environment", {})
        return os.environ | found
    return environment(state, os.environ, collector="")
