"""Whether somebody who works on a service may edit a file."""

from dataclasses import dataclass
from pathlib import Path

from chassis_core.contract.changes.history import TRAILER
from chassis_core.contract.document import FILE, load

_REASONS = {
    "immutable": f"of the foundation; its owners change it, with '{TRAILER}: <why>'",
    "generated": "written by a command; edit what it is written from",
    "extensible": "what a service is about",
    "open": "nobody's in particular",
    "outside": "no part of this platform",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer to: may I edit this?

    Attributes:
        path: the file, relative to the root, with links and `..` followed.
        zone: of the boundaries, or `outside`.
        allowed: the answer.
        reason: why, in a few words.
    """

    path: str
    zone: str
    allowed: bool
    reason: str

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.path}: {self.zone}: {self.reason}"


def decide(root: Path, file: Path) -> Decision:
    """Return whether the contract in `root` lets a service's author edit `file`.

    Raises:
        ContractError: the contract cannot be read.
    """
    boundaries = load(root).boundaries
    target, base = file.resolve(), root.resolve()
    if not target.is_relative_to(base):
        return Decision(str(target), "outside", True, _REASONS["outside"])
    path = target.relative_to(base).as_posix()
    if path == FILE or path.partition("/")[0] == ".git":
        zone = "immutable"
    else:
        zone = boundaries.zone(path)
    return Decision(path, zone, zone in {"extensible", "open"}, _REASONS[zone])
