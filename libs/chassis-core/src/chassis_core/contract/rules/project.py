"""Rules on a service as a project: what it needs, how it is checked, how it is built."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from chassis_core.contract.document import FILE, load, package_of
from chassis_core.contract.rule import Finding, Rule
from chassis_core.contract.rules.manifests import UNREADABLE, entries
from chassis_core.contract.rules.source import parse, python_files, read, test_files

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_IMAGES = re.compile(
    r"(?i)^(dockerfile.*|.*\.dockerfile|containerfile.*|(docker-)?compose.*\.ya?ml)$"
)


class _Project(BaseModel):
    dependencies: list[str] = []
    extras: dict[str, list[str]] = Field({}, alias="optional-dependencies")
    entry_points: dict[str, dict[str, str]] = Field({}, alias="entry-points")


class _Uv(BaseModel):
    sources: dict[str, Any] = {}


class _Tool(BaseModel):
    uv: _Uv = _Uv()


class _Document(BaseModel):
    """What is read of a pyproject.toml."""

    project: _Project = _Project()
    tool: _Tool = _Tool()


def _project(root: Path, folder: Path) -> Iterator[Finding]:
    path = folder / "pyproject.toml"
    name = "service-project"
    where = path.relative_to(root).as_posix()
    try:
        text = path.read_text("utf-8")
        document = _Document.model_validate(tomllib.loads(text))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        yield Finding(where, 0, name, f"{place}: {first['msg']}; write it as orders has")
        return
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        yield Finding(where, 0, name, f"cannot be read ({error}); write one as orders has")
        return
    for key, message in [*_entry(folder, document), *_needs(folder, document)]:
        yield Finding(where, _line(text, key), name, message)


def _entry(folder: Path, document: _Document) -> Iterator[tuple[str, str]]:
    points = document.project.entry_points.get("chassis.services", {})
    package = package_of(folder.name)
    wanted = f"{package}.main:app"
    if points != {folder.name: wanted}:
        yield "chassis.services", f'chassis.services must be {folder.name} = "{wanted}"'
    if not (folder / "src" / package / "main.py").exists():
        yield "chassis.services", f"there is no {package}.main in src"


def _needs(folder: Path, document: _Document) -> Iterator[tuple[str, str]]:
    project = document.project
    needs = [*project.dependencies, *(one for extra in project.extras.values() for one in extra)]
    names = [_plain(need) for need in needs]
    neighbours = {path.name for path in folder.parent.iterdir() if path != folder}
    if "chassis-core" not in names:
        yield "dependencies", "depends on chassis-core no more; add it"
    for need, name in zip(needs, names, strict=True):
        if name in neighbours:
            yield need, f"depends on the service {name}; call it over HTTP"
        elif "@" in need or "://" in need:
            yield need, f"{name} comes from an address; depend on a release of the registry"
        elif name != "chassis-core" and not re.search(r"==|~=|<", need.partition(";")[0]):
            yield need, f"{need} takes any release; give it an upper bound, such as >=1.2,<2"
    for source in document.tool.uv.sources:
        yield source, f"{source} comes from elsewhere; depend on a release of the registry"


def _plain(need: str) -> str:
    found = _NAME.match(need)
    return found[0].lower().replace("_", "-") if found else need


def _listed(root: Path, folder: Path) -> Iterator[Finding]:
    if folder.name not in load(root).services:
        where = folder.relative_to(root).as_posix()
        yield Finding(where, 0, "listed", f"{folder.name} is not in {FILE}; chassis new adds it")


def _line(text: str, key: str) -> int:
    lines = text.splitlines()
    return next((number for number, line in enumerate(lines, 1) if key in line), 0)


def _own_images(root: Path, folder: Path) -> Iterator[Finding]:
    for path in sorted(folder.rglob("*")):
        if _IMAGES.match(path.name) and ".venv" not in path.parts:
            where = path.relative_to(root).as_posix()
            yield Finding(where, 0, "one-image", "the Dockerfile at the root builds every service")


def _readable(root: Path, folder: Path) -> Iterator[Finding]:
    for path in [*python_files(folder), *test_files(folder)]:
        try:
            parse(path.read_bytes())
        except (SyntaxError, ValueError, RecursionError) as error:
            where = path.relative_to(root).as_posix()
            line = getattr(error, "lineno", 0) or 0
            yield Finding(where, line, "readable", f"is no Python: {error}")
    for module in read(root, folder).modules.values():
        for node in module.all(ast.ImportFrom):
            if any(one.name == "*" for one in node.names):
                text = f"import * hides what names of {node.module} are used; name them"
                yield Finding(module.path, node.lineno, "readable", text)
    for entry in entries(root, folder):
        if entry.last == UNREADABLE:
            text = " ".join(entry.value.split())
            yield Finding(entry.path, entry.line, "readable", f"is no YAML: {text}")


SERVICE_PROJECT = Rule(
    "service-project",
    says="A service is a project that is found by its name and built from releases.",
    why="Without the entry point nobody can start it; an unbounded dependency breaks it some day.",
    instead='`[project.entry-points."chassis.services"]`, `orders = "orders.main:app"`; '
    "`name>=1.2,<2`.",
    find=_project,
)
ONE_IMAGE = Rule(
    "one-image",
    says="All services are built by one recipe.",
    why="A second Dockerfile is not scanned, not pinned, and runs as whoever it likes.",
    instead="`./dev images orders`; ask the foundation's owners for a system package.",
    find=_own_images,
)
LISTED = Rule(
    "listed",
    says="Every service is in `chassis.toml`.",
    why="What is not listed gets no port, no check, no image and no dashboard.",
    instead="`chassis new service payments` lists it; its owner moves code into what that made.",
    find=_listed,
)
READABLE = Rule(
    "readable",
    says="Source and manifests can be read, and their names followed.",
    why="What cannot be read cannot be checked.",
    instead="Mend the syntax; import names one by one.",
    find=_readable,
)
