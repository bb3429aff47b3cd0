"""The tables of the documents, which are written from the code so that they stay true.

A table stands between `<!-- chassis explain --write: NAME -->` and `<!-- end -->`.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from chassis_core.cli.explained import attributes, paths, platform, terms
from chassis_core.cli.explained.page import Row
from chassis_core.cli.explained.settings import all_settings
from chassis_core.contract import PATTERNED, Member, load
from chassis_core.contract.zones import ZONES

FILES = (
    "AGENTS.md",
    "docs/contract.md",
    "docs/nfr.md",
    "docs/promises.md",
    "docs/rules.md",
    "docs/settings.md",
)
_PART = re.compile(r"(<!-- chassis explain --write: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def write(root: Path) -> list[str]:
    """Write every table anew, and return the documents that changed."""
    stale = {name: text for name in FILES if (text := current(root, name)) != _text(root, name)}
    for name, text in stale.items():
        (root / name).write_text(text, "utf-8")
    return list(stale)


def current(root: Path, name: str) -> str:
    """Return a document with its tables as the code has them now."""
    tables: dict[str, Callable[[], str]] = {
        "fields": lambda: _table(_fields()),
        "zones": lambda: _table(_zones(root)),
        "commands": lambda: _table(_commands()),
        "rules": lambda: _table(terms.rows(terms.rules().values())),
        "promises": lambda: _table(terms.rows(terms.promises().values())),
        "settings": _settings,
        "attributes": lambda: _sections(attributes.groups()),
    }
    return _PART.sub(lambda part: f"{part[1]}\n{tables[part[2]]()}\n\n{part[3]}", _text(root, name))


def _text(root: Path, name: str) -> str:
    return (root / name).read_text("utf-8")


def _fields() -> list[Row]:
    listed = re.findall(r"(?m)^    (\w+): (.+)$", inspect.getdoc(Member) or "")
    told = [(f"services.<name>.{name}", says) for name, says in listed]
    told += [(f"boundaries.{zone}", ZONES[zone].means) for zone in PATTERNED]
    return [{"field": f"`{name}`", "means": says} for name, says in told]


def _zones(root: Path) -> list[Row]:
    rows = paths.rows(load(root))
    return [{**row, "patterns": f"`{row['patterns'].replace(', ', '`, `')}`"} for row in rows]


def _commands() -> list[Row]:
    return [{**row, "command": f"`{row['command']}`"} for row in platform.commands()]


def _settings() -> str:
    sections: dict[str, list[Row]] = {}
    for one in all_settings():
        row = {
            "variable": f"`{one.variable()}`",
            "takes": one.takes,
            "default": f"`{one.default}`",
            "meaning": one.says,
        }
        section = one.path[0] if len(one.path) > 1 else "the service"
        sections.setdefault(section, []).append(row)
    return _sections(sections)


def _sections(sections: Mapping[str, Iterable[Row]]) -> str:
    return "\n\n".join(f"## {name}\n\n{_table(rows)}" for name, rows in sections.items())


def _table(rows: Iterable[Row]) -> str:
    rows = list(rows)
    head = list(rows[0])
    cells = [[cell.replace("|", "\\|") for cell in row.values()] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *cells])
