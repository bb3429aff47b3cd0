"""A path: its zone, and so who changes it and how."""

import os
from pathlib import Path

from chassis_core.cli.explained.page import Page, Row
from chassis_core.contract import PATTERNED, Boundaries, Contract, load
from chassis_core.contract.zones import ZONES


def page(path: str, root: Path) -> Page:
    """Explain a path, relative to the root."""
    contract = load(root)
    whole = f"{path}/" if (root / path).is_dir() else path
    zone = contract.boundaries.zone(whole)
    means, changed_by, _ = ZONES[zone]
    return {
        "kind": "path",
        "name": path,
        "zone": f"{zone}: {means}",
        "change": changed_by,
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
            "means": about.means,
            "changed by": about.changed_by,
        }
        for zone, about in ZONES.items()
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
