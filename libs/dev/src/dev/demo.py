"""`./dev demo`: the story, on the platform that runs or on one of its own."""

import time
from collections.abc import Sequence
from typing import Any

import httpx2

from dev.console import BOLD, DIM, Trouble, paint, say
from dev.lifetime import opened
from dev.state import State
from dev.story import Story
from dev.visitor import Visitor


def main(_: Sequence[str]) -> int:
    """Tell the story; it ends in `Trouble` where a step is not what it should be."""
    state = State()
    try:
        if (running := state.running()) is None:
            with opened(state, lambda step: say(f"{step} …", DIM)) as platform:
                _tell(state, platform.record())
        elif "urls" in running:
            _tell(state, running)
        else:
            raise Trouble("the platform is starting: try again when it is ready")
    except httpx2.TransportError as error:
        raise Trouble(f"{error.request.url} gave no answer: {error}") from error
    except KeyboardInterrupt:
        return 130
    return 0


def _tell(state: State, running: dict[str, Any]) -> None:
    began = time.monotonic()
    with Visitor(running["urls"], "ada") as ada:
        story = Story(state, running, ada)
        story.login()
        request_id = story.order()
        trace_id = story.logs(request_id)
        story.trace(trace_id)
        story.rotation()
        story.limit()
    say(f"\n{paint('Every step was as it should be', BOLD)}, in {time.monotonic() - began:.1f} s.")
