"""What newer templates would change in a service that older ones made."""

import os.path
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from chassis_core.cli.scaffold import record
from chassis_core.cli.scaffold.record import Record, digest
from chassis_core.cli.scaffold.rendering import rendered
from chassis_core.contract import Contract

_APPLIED = "/migrations/versions/"  # databases have been through these: nothing may change them


@dataclass(frozen=True, slots=True)
class Change:
    """One file that the templates make otherwise than when the service was made.

    Attributes:
        path: of the file, from the root.
        text: what the templates make of it now.
        kind: there was no such file; it is as it was made; somebody has edited it since.
    """

    path: str
    text: str
    kind: Literal["new", "pristine", "edited"]


def changes(root: Path, contract: Contract, name: str, known: Record) -> list[Change]:
    """Return what is to be done, or said, about the files of a service."""
    found = []
    for path, text in _renewable(contract, name).items():
        made, current = known.files.get(path), _digest_of(root / path)
        if digest(text) in {made, current} or (made and current is None):
            continue
        kind: Literal["new", "pristine", "edited"]
        kind = "new" if current is None else "pristine" if current == made else "edited"
        found.append(Change(path, text, kind))
    return found


def renew(root: Path, contract: Contract, name: str, found: Sequence[Change]) -> None:
    """Write what is new or as it was made, and record that the rest is told.

    Raises:
        OSError: a file cannot be written; nothing is recorded.
    """
    records = record.read(root)
    for change in found:
        if change.kind != "edited":
            (root / change.path).parent.mkdir(parents=True, exist_ok=True)
            (root / change.path).write_text(change.text, "utf-8")
    newest = record.record_of(_renewable(contract, name))
    newest = Record(newest.chassis_core, {**records[name].files, **newest.files})
    (root / record.LOCK).write_text(record.written(records | {name: newest}), "utf-8")


def _renewable(contract: Contract, name: str) -> Mapping[str, str]:
    files = rendered(contract, name).items()
    return {path: text for path, text in files if _APPLIED not in path}


def _digest_of(path: Path) -> str | None:
    """Return the digest of what is there: None for nothing, empty for what is no text."""
    if not os.path.lexists(path):
        return None
    try:
        return digest(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        return ""
