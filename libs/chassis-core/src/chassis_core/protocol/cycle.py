"""One request and its answer, which can be broken off while its body is being read."""

from typing import Any

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from chassis_core.concerns.errors import REFUSAL
from chassis_core.problem import Problem


class Cycle(RequestResponseCycle):
    """uvicorn's cycle, whose `receive` raises the problem that broke the request off."""

    broken_off: Problem | None = None

    def break_off(self, problem: Problem) -> None:
        """Give the rest of the body up: whoever reads it gets `problem`."""
        self.keep_alive = False
        self.broken_off = problem
        scope: dict[str, Any] = self.scope  # type: ignore[assignment] # ours has a key of our own
        # If the app has not been called yet, it answers with the problem without being asked.
        scope[REFUSAL] = problem
        self.message_event.set()

    async def receive(self) -> Message:  # type: ignore[override] # Starlette's name for the same
        """Return the next part of the body."""
        message: Message = await super().receive()  # type: ignore[assignment] # likewise
        if self.broken_off is not None and message["type"] == "http.request":
            raise self.broken_off
        return message
