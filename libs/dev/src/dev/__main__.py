"""Dispatches `python -m dev COMMAND`; each command is a module of its name."""

import sys
from importlib import import_module

from dev.console import Trouble, fail

COMMANDS = ("up", "demo", "trace", "run", "test", "check", "images")


def main() -> int:
    """Run the command that the arguments name and return its exit code."""
    command, *arguments = sys.argv[1:] or [""]
    if command not in COMMANDS:
        fail(f"no command {command!r}; there are {', '.join(COMMANDS)} and help")
        return 2
    try:
        code: int = import_module(f"dev.{command}").main(arguments)
    except Trouble as trouble:
        fail(str(trouble))
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
