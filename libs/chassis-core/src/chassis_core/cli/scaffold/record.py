"""`chassis.lock`: what was made by templates, to tell what has been edited since."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from chassis_core.cli.scaffold.refusal import Refused

LOCK = "chassis.lock"


@dataclass(frozen=True, slots=True)
class Record:
    """What was made of one service.

    Attributes:
        chassis_core: the version whose templates made it.
        files: SHA-256 of each file as it was made, by its path from the root.
    """

    chassis_core: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


def read(root: Path) -> dict[str, Record]:
    """Return the records by service; none where no service was made by templates.

    Raises:
        Refused: the lock is no lock.
    """
    path = root / LOCK
    try:
        found = json.loads(path.read_text("utf-8")) if path.exists() else {}
        return {name: Record(**record) for name, record in found.items()}
    except (OSError, ValueError, TypeError) as error:
        raise Refused(f"{LOCK}: take it back from git, it cannot be read: {error}") from error


def record_of(made: Mapping[str, str]) -> Record:
    """Return the record of files that this version made."""
    return Record(version("chassis-core"), {path: digest(text) for path, text in made.items()})


def written(records: Mapping[str, Record]) -> str:
    """Return the text of the lock."""
    found = {name: asdict(record) for name, record in records.items()}
    return json.dumps(found, indent=2, sort_keys=True) + "\n"


def digest(text: str) -> str:
    """Return the SHA-256 of a file's text, in hexadecimal."""
    return sha256(text.encode()).hexdigest()
