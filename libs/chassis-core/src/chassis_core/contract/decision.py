"""Whether somebody who works on a service may edit a file."""

import os.path
from dataclasses import dataclass
from pathlib import Path

from chassis_core.contract.document import FILE, load
from chassis_core.contract.zones import ZONES


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer to: may I edit this?

    Attributes:
        path: the file, relative to the root, with links and `..` followed.
        zone: of the boundaries, or `outside`.
        allowed: the answer.
        reason: what the zone is, and who changes it.
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
    target = Path(os.path.realpath(file))  # unlike resolve(), it bears links in a circle
    base = root.resolve()
    if not target.is_relative_to(base):
        return Decision(str(target), "outside", True, "no part of this platform")
    path = target.relative_to(base).as_posix()
    kept = path == FILE or path.partition("/")[0] == ".git"
    zone = "immutable" if kept else boundaries.zone(path)
    means, changed_by, is_free = ZONES[zone]
    return Decision(path, zone, is_free, f"{means}; changed by {changed_by}")
