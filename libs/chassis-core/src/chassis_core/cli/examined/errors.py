"""An error in one line, for operators."""

from chassis_core.redaction import scrub


def told(error: BaseException) -> str:
    """Return the kind and the text of an error, without what looks like a secret."""
    text = " ".join(str(error).split())
    return scrub(f"{type(error).__name__}: {text}" if text else type(error).__name__)
