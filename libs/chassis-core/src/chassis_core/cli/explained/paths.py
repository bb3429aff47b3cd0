"""A path: its zone, and so who changes it and how."""

import os
from pathlib import Path

from chassis_core.cli.explained.page import Page, Row
from chassis_core.contract import Boundaries, Contract, Zone, load
from chassis_core.contract.changes.history import TRAILER

ZONES: dict[Zone, tuple[str, str]] = {
    "immutable": (
        "the foundation: a change here changes every service",
        f"whoever owns the foundation, in commits with the line `{TRAILER}: <why>`",
    ),
    "generated": (
        "written by a command, which its first line names (uv.lock: `uv lock`)",
        "nobody by hand: change what it is written from, and run the command again",
    ),
    "extensible": (
        "what a service is about",
        "whoever works on the service, within the rules that `chassis check` holds",
    ),
    "open": ("in no pattern of the contract", "anyone, with a review as usual"),
}
"""What a zone is, and who changes what is in it."""
PATTERNED: tuple[Zone, ...] = ("immutable", "generated", "extensible")
"""The zones that have patterns, in the order in which a path is asked for."""


def page(path: str, root: Path) -> Page:
    """Explain a path, relative to the root."""
    contract = load(root)
    whole = f"{path}/" if (root / path).is_dir() else path
    zone = contract.boundaries.zone(whole)
    means, who = ZONES[zone]
    return {
        "kind": "path",
        "name": path,
        "zone": f"{zone}: {means}",
        "change": who,
        "exists": "yes" if (root / path).exists() else "no",
        "patterns": [
            {"zone": own, "pattern": pattern}
            for own in PATTERNED
            for pattern in getattr(contract.boundaries, own)
            if _meets(pattern, whole)
        ],
    }


def rows(contract: Contract) -> list[Row]:
    """Return the zones as a table: the patterns, what they are, who changes them."""
    return [
        {
            "zone": zone,
            "patterns": ", ".join(getattr(contract.boundaries, zone, ())) or "**",
            "means": means,
            "changed by": who,
        }
        for zone, (means, who) in ZONES.items()
    ]


def relative(thing: str, root: Path) -> str | None:
    """Return `thing` as a path below the root if it is one, or has the look of one, else None."""
    path = Path(os.path.normpath(Path.cwd() / thing))
    if path.is_relative_to(root) and ("/" in thing or path.exists()):
        return path.relative_to(root).as_posix()
    return None


def _meets(pattern: str, path: str) -> bool:
    below = path.endswith("/") and pattern.startswith(path)
    return below or Boundaries(extensible=(pattern,)).zone(path) != "open"
