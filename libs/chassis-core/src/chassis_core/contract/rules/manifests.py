"""What a service deploys: every value of its manifests, of their patches too, with its line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_ASSIGNMENT = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)", re.DOTALL)
_DEEPEST = 60
UNREADABLE = "cannot be read"


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of a manifest.

    Attributes:
        path: the file, relative to the root.
        line: where the value is.
        keys: how one gets to it; a patch's own path counts, numbers of lists do not.
        value: a scalar as it is written, `{}` for an empty collection, `…` for a full one.
        removed: whether a patch takes it away.
    """

    path: str
    line: int
    keys: tuple[str, ...]
    value: str
    removed: bool = False

    @property
    def last(self) -> str:
        """The innermost key."""
        return self.keys[-1] if self.keys else ""


def manifests(folder: Path) -> Iterator[Path]:
    """Yield the files that a service deploys."""
    for kind in ("*.yaml", "*.yml", "*.json", "*.env"):
        found = sorted((folder / "deploy").rglob(kind))
        # An editor's lock is a link that leads nowhere, and a folder may be called anything.
        yield from (path for path in found if path.is_file())


def entries(root: Path, folder: Path) -> Iterator[Entry]:
    """Yield every value of every manifest of the service in `folder`."""
    for path in manifests(folder):
        yield from _read(path.relative_to(root).as_posix(), path.read_text("utf-8", "replace"))


def assignments(entry: Entry) -> Iterator[tuple[str, str]]:
    """Yield the environment variables that an entry sets, as name and value."""
    if found := _ASSIGNMENT.fullmatch(entry.value):
        yield found[1], found[2]
    elif "data" in entry.keys and entry.last.isupper():
        yield entry.last, entry.value


@lru_cache(1024)
def _read(path: str, text: str) -> tuple[Entry, ...]:
    if path.endswith(".env"):
        lines = enumerate(text.splitlines(), 1)
        return tuple(Entry(path, number, ("literals",), line.strip()) for number, line in lines)
    return tuple(_parsed(path, text, 0, ()))


def _parsed(path: str, text: str, offset: int, keys: tuple[str, ...]) -> Iterator[Entry]:
    try:
        for document in yaml.compose_all(text, Loader=_LOADER):
            if document is not None:
                yield from _walk(path, document, offset, keys)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        yield Entry(path, offset + (mark.line + 1 if mark else 1), (UNREADABLE,), str(error))


def _walk(path: str, node: yaml.Node, offset: int, keys: tuple[str, ...]) -> Iterator[Entry]:
    line = offset + node.start_mark.line + 1
    if len(keys) > _DEEPEST:
        return
    if isinstance(node, yaml.ScalarNode):
        yield Entry(path, line, keys, _scalar(node))
        if keys and keys[-1] == "patch":
            block = 1 if node.style in {"|", ">"} else 0
            yield from _parsed(path, node.value, line - 1 + block, keys)
        return
    yield Entry(path, line, keys, "…" if node.value else "{}")
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            yield from _walk(path, child, offset, keys)
        return
    yield from _mapping(path, node, offset, keys)


def _mapping(path: str, node: yaml.Node, offset: int, keys: tuple[str, ...]) -> Iterator[Entry]:
    plain = {key.value: child for key, child in node.value if isinstance(key, yaml.ScalarNode)}
    line = offset + node.start_mark.line + 1
    if {"op", "path"} <= plain.keys():
        yield from _operation(path, plain, offset, (line, keys))
        return
    if {"name", "value"} <= plain.keys():
        yield Entry(path, line, (*keys, "env"), f"{plain['name'].value}={plain['value'].value}")
    for key, child in plain.items():
        yield from _walk(path, child, offset, (*keys, key))


def _operation(
    path: str, plain: dict[str, yaml.Node], offset: int, place: tuple[int, tuple[str, ...]]
) -> Iterator[Entry]:
    line, keys = place
    steps = [step.replace("~1", "/") for step in str(plain["path"].value).split("/") if step]
    target = (*keys, *(step for step in steps if not step.isdigit() and step != "-"))
    if plain["op"].value == "remove":
        yield Entry(path, line, target, "", removed=True)
    elif "value" in plain:
        yield from _walk(path, plain["value"], offset, target)


def _scalar(node: yaml.ScalarNode) -> str:
    return "null" if node.tag.endswith(":null") else str(node.value)
