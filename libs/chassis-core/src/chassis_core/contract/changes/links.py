"""The rule on links: none leaves its zone."""

import os.path
from collections.abc import Iterator
from pathlib import Path

from chassis_core.contract.changes.history import LINK, SUBMODULE, History
from chassis_core.contract.changes.rule import ChangeRule
from chassis_core.contract.document import Contract
from chassis_core.contract.rule import Finding


def _links(contract: Contract, history: History) -> Iterator[Finding]:
    for change in history.changes:
        if change.mode == SUBMODULE:
            message = "a submodule brings code that no check reads; depend on a release"
            yield Finding(change.path, 0, "links-stay", message)
        elif change.mode == LINK:
            target = Path(os.path.realpath(history.root / change.path))
            where = _inside(history, target)
            zones = contract.boundaries
            if where is None or zones.zone(where) != zones.zone(change.path):
                message = (
                    f"a link to {where or 'no place in here'} leaves its zone; copy what it is"
                )
                yield Finding(change.path, 0, "links-stay", message)


def _inside(history: History, target: Path) -> str | None:
    """Return the path of a target from the root; None outside, and for links in a circle."""
    root = history.root.resolve()
    inside = target.is_relative_to(root) and not target.is_symlink()
    return target.relative_to(root).as_posix() if inside else None


LINKS_STAY = ChangeRule(
    "links-stay",
    says="No link leaves its zone, and no submodule comes in.",
    why="Through a link one edits the foundation under a path of the service.",
    instead="Import what you need, or copy the few lines.",
    find=_links,
)
