"""The bound that no honest limiter breaks, whatever the machine does in between."""

from typing import NamedTuple


class Hit(NamedTuple):
    """One request, by the clock that all processes of a machine share."""

    sent: float
    received: float
    status: int


def worst_excess(hits: list[Hit], *, burst: int, rate: float) -> float:
    """Return by how many units a window admitted too much; 0 or less when none did.

    A request admitted between `sent` and `received` was counted in between. So in each window those
    that lie wholly inside it are at most `burst + rate * length + 1`: a positive figure is a proof.
    """
    admitted = sorted((hit for hit in hits if hit.status == 200), key=lambda hit: hit.received)
    worst = float("-inf")
    for start in sorted({hit.sent for hit in admitted}):
        inside = 0
        for hit in admitted:
            if hit.sent >= start:
                inside += 1
                allowed = burst + rate * (hit.received - start) + 1
                worst = max(worst, inside - allowed)
    return worst


def used(hits: list[Hit], *, burst: int, rate: float) -> float:
    """Return the share of the budget of the whole run that was admitted."""
    length = max(hit.received for hit in hits) - min(hit.sent for hit in hits)
    return sum(hit.status == 200 for hit in hits) / (burst + rate * length)
