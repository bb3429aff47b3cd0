"""The rule on links: none leaves its zone."""

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
            target = (history.root / change.path).resolve()
            where = _inside(history, target)
            zones = contract.boundaries
            if where is None or zones.zone(where) != zones.zone(change.path):
                message = f"a link to {where or 'a place outside'} leaves its zone; copy what it is"
                yield Finding(change.path, 0, "links-stay", message)


def _inside(history: History, target: Path) -> str | None:
    root = history.root.resolve()
    return target.relative_to(root).as_posix() if target.is_relative_to(root) else None


LINKS_STAY = ChangeRule(
    "links-stay",
    says="No link leaves its zone, and no submodule comes in.",
    why="Through a link one edits the foundation under a path of the service.",
    instead="Import what you need, or copy the few lines.",
    find=_links,
)
