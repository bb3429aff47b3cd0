"""How slow requests are: each measured by how long its kind usually takes.

A kind is a route and a status: to refuse a token is quicker than to place an order.
"""

from collections.abc import Hashable
from math import inf

TOO_FEW = 4
"""Requests whose times say nothing about all."""
RECENT = 16
"""Requests, the last ones done, whose times tell how slow it is now."""
DOWN, UP = 1.03, 1.003
"""By what a faster and a slower request move the usual time of a kind: it settles where one in
ten is faster."""


class Slowness:
    """The times that requests took, in multiples of what their kind usually takes.

    What is usual is learnt in calm, and by what is faster while there is much to do.
    """

    def __init__(self) -> None:
        self.calm, self.overloaded = True, False
        self._slow: list[float] = []
        self._done_well = self._done_badly = 0
        self._usual: dict[tuple[Hashable, int], float] = {}

    def took(self, route: Hashable, status: int, seconds: float) -> None:
        """Note how long a request took that was answered well."""
        kind = route, status
        if (usual := self._usual.get(kind)) is None:
            usual = self._usual[kind] = self._first_guess(route, seconds)
        self._slow.append(seconds / usual)
        self._done_well += 1
        if seconds < usual and not self.overloaded:
            self._usual[kind] = usual / DOWN
        elif seconds > usual and self.calm:
            self._usual[kind] = usual * UP

    def _first_guess(self, route: Hashable, seconds: float) -> float:
        # What comes first in a flood, such as a 429, would else be measured by the flood alone.
        return min([seconds, *(usual for kind, usual in self._usual.items() if kind[0] == route)])

    def done(self, requests: int) -> None:
        """Note that so many have been done since this was said last, well or badly."""
        self._done_badly = 0 if self._done_well else self._done_badly + requests
        self._done_well = 0

    def of(self, share: float) -> float:
        """Return how slow this share of the last requests is at most, and begin anew.

        0 while too few were done to say, and infinity when none of those done was done well.
        """
        if len(self._slow) < TOO_FEW:
            return inf if self._done_badly >= TOO_FEW else 0.0
        slow, self._slow = sorted(self._slow[-RECENT:]), []
        return slow[int(len(slow) * share)]

    def forget(self) -> None:
        """Forget how slow the last requests were."""
        self._slow.clear()

    def is_usual(self, slow: float) -> None:
        """From now on so slow is what every kind usually is."""
        self._usual = {kind: usual * slow for kind, usual in self._usual.items()}
