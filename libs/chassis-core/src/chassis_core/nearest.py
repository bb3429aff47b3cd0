"""What somebody may have meant who wrote a name that is not known."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches


def did_you_mean(
    name: str,
    known: Iterable[str],
    *,
    most: int = 1,
    shown: Callable[[str], str] = str,
) -> str:
    """Return a question with the known names that are close to `name`, or "" if none is.

    Args:
        name: that is not known.
        known: what could have been meant, spelled as `name` is.
        most: how many are named.
        shown: how one of them is to be written.
    """
    close = get_close_matches(name, list(known), n=most)
    return f"did you mean {' or '.join(map(shown, close))}?" if close else ""
