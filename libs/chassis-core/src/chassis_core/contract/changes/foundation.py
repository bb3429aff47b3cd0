"""The rule on the foundation: whoever changes it says why."""

import tomllib
from collections.abc import Callable, Iterator
from typing import Any

from chassis_core.contract.changes.history import TRAILER, Change, History
from chassis_core.contract.changes.rule import ChangeRule
from chassis_core.contract.document import FILE, Contract
from chassis_core.contract.rule import Finding

_LINE = f"the line '{TRAILER}: <why>'"
_PROJECT = "pyproject.toml"
_OF_SERVICES = {"mypy_path", "files", "root_packages", "modules", "source_modules"}
_OF_SERVICES |= {"forbidden_modules"}


def _foundation(contract: Contract, history: History) -> Iterator[Finding]:
    for change in history.changes:
        zone = contract.boundaries.zone(change.path)
        allows = _ALLOWS.get(change.path)
        if (zone != "immutable" and allows is None) or (allows and allows(history)):
            continue
        if not change.committed:
            yield _about(change, f"belongs to the foundation: undo it, or commit it with {_LINE}")
        elif not history.told.get(change.path, False):
            yield _about(change, f"belongs to the foundation: every commit of it needs {_LINE}")


def _about(change: Change, message: str) -> Finding:
    gone = " (it is gone)" if change.gone else ""
    return Finding(change.path, 0, "foundation-stays", f"{message}{gone}")


def _only_adds_services(history: History) -> bool:
    old, new = _documents(history, FILE)
    before, after = old.pop("services", {}), new.pop("services", {})
    kept = {name: table for name, table in after.items() if name in before}
    added = [table for name, table in after.items() if name not in before]
    return old == new and kept == before and not any("exceptions" in table for table in added)


def _only_adds_members(history: History) -> bool:
    old, new = (document.get("tool", {}) for document in _documents(history, _PROJECT))
    return _grows(old, new)


def _grows(old: Any, new: Any, key: str = "") -> bool:
    if isinstance(old, dict) and isinstance(new, dict):
        added = new.keys() - old.keys()
        return (not added or key == "sources") and all(
            name in new and _grows(value, new[name], name) for name, value in old.items()
        )
    if key in _OF_SERVICES and isinstance(old, list) and isinstance(new, list):
        return all(one in new for one in old)
    if key == "contracts" and isinstance(old, list) and len(old) == len(new):
        return all(map(_grows, old, new))
    return bool(old == new)


def _documents(history: History, path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        now = (history.root / path).read_text("utf-8")
        return tomllib.loads(history.before(path) or ""), tomllib.loads(now)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return {}, {"tool": {path: "cannot be read"}}


_ALLOWS: dict[str, Callable[[History], bool]] = {
    FILE: _only_adds_services,
    _PROJECT: _only_adds_members,
}
"""Files that a new service enters its name into; nothing else in them is its author's."""
FOUNDATION_STAYS = ChangeRule(
    "foundation-stays",
    says="A change of a service changes nothing of the foundation.",
    why="A line there changes every service, and was reviewed as a line of one.",
    instead=f"Ask the foundation's owners; they commit it with `{TRAILER}: <why>`.",
    find=_foundation,
)
