"""What the commands say to a person: plain ANSI, none with NO_COLOR or without a terminal."""

import os
import sys

BOLD, DIM, RED, GREEN, YELLOW, CYAN = "1", "2", "31", "32", "33", "36"


class Trouble(Exception):
    """The command cannot go on; the text is one clear sentence for the person at the terminal."""


def paint(text: str, *styles: str) -> str:
    """Return `text` in the styles, or as it is where colour is unwanted."""
    if "NO_COLOR" in os.environ or not sys.stdout.isatty():
        return text
    return f"\x1b[{';'.join(styles)}m{text}\x1b[0m"


def say(text: str = "", *styles: str) -> None:
    """Print a line at once, also into a pipe."""
    print(paint(text, *styles) if styles else text, flush=True)


def title(text: str) -> None:
    """Print the heading of a step."""
    say(f"\n{paint(text, BOLD)}")


def ok(text: str) -> None:
    """Print something that is as it should be."""
    say(f"  {paint('✓', GREEN)} {text}")


def fail(text: str) -> None:
    """Print to stderr why the command stops."""
    print(f"dev: {text}", file=sys.stderr, flush=True)
