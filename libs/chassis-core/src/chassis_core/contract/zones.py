"""What each zone is, and who changes what is in it."""

from typing import NamedTuple

from chassis_core.contract.changes.history import TRAILER
from chassis_core.contract.document import Zone


class About(NamedTuple):
    """What there is to say of a zone.

    Attributes:
        means: what is in it.
        changed_by: who changes that, and how.
        is_free: whether somebody who works on a service may edit it.
    """

    means: str
    changed_by: str
    is_free: bool


ZONES: dict[Zone, About] = {
    "immutable": About(
        "the foundation: a change here changes every service",
        f"whoever owns the foundation, in commits with the line `{TRAILER}: <why>`",
        is_free=False,
    ),
    "generated": About(
        "written by a command, which its first line names (uv.lock: `uv lock`)",
        "nobody by hand: change what it is written from, and run the command again",
        is_free=False,
    ),
    "extensible": About(
        "what a service is about",
        "whoever works on the service, within the rules that `chassis check` holds",
        is_free=True,
    ),
    "open": About("in no pattern of the contract", "anyone, with a review as usual", is_free=True),
}
"""In the order in which a path is asked for its zone."""
