"""What schemathesis cannot know: an idempotency key stands for one request alone."""

from typing import Any
from uuid import uuid4

import schemathesis


@schemathesis.hook
def before_call(context: object, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Give a valid request a key of its own: with another's it is rightly refused by 422."""
    if case.meta and case.meta.generation.mode.is_positive and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = uuid4().hex
