"""What one request carries through every layer: its id, deadline, caller and log fields."""

import time
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class RequestContext:
    """The request in flight, as the concerns see it.

    Attributes:
        request_id: the id in the response, the log lines and every outbound call.
        deadline: `time.monotonic()` seconds after which nothing may work on, or None.
        authorization: the verified caller's `Authorization` value, to send on to other services.
        fields: fields bound to every log line of this request.
        error: the exception that became the answer, for the access line and the span.
    """

    request_id: str
    deadline: float | None = None
    authorization: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    error: BaseException | None = None

    def time_left(self) -> float | None:
        """Seconds until the deadline, negative when it has passed, None when there is none."""
        return None if self.deadline is None else self.deadline - time.monotonic()


_current: ContextVar[RequestContext | None] = ContextVar("chassis_request", default=None)


def current() -> RequestContext | None:
    """Return the request in flight, or None outside of one."""
    return _current.get()


def enter(context: RequestContext) -> Token[RequestContext | None]:
    """Make `context` the request in flight of this task and of the tasks it starts."""
    return _current.set(context)


def leave(token: Token[RequestContext | None]) -> None:
    """Undo the `enter` that returned `token`."""
    _current.reset(token)
