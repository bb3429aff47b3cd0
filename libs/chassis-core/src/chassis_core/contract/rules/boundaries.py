"""Rules on what a service may reach for: public names, no other service, no patches."""

import ast
from collections.abc import Iterator
from pathlib import Path

from chassis_core.contract.document import package_of
from chassis_core.contract.rules.composition import STANDARD
from chassis_core.contract.rules.making import Located, Sight, service_rule, source_rule
from chassis_core.contract.rules.nodes import targets
from chassis_core.contract.rules.source import Module, Source

PUBLIC = frozenset(
    {"chassis_core"}
    | {f"chassis_core.{name}" for name in ("problem", "settings", "ids", "moments", "migrations")}
    | {f"chassis_core.{name}" for name in ("preconditions", "concern")}
    | {f"chassis_core.concerns.{name}" for name in STANDARD}
)
"""The modules of the chassis that a service may import from."""
_INTERNAL = frozenset(
    path.stem
    for path in Path(__file__).parents[2].iterdir()
    if f"chassis_core.{path.stem}" not in PUBLIC and path.stem != "concerns"
)
_FOUNDATIONS = ("chassis_core.", "fastapi.", "starlette.", "sqlalchemy.", "pydantic.", "structlog.")


def _private(module: Module) -> Iterator[Sight]:
    for node, owner, name in module.imports():
        if owner.partition(".")[0] != "chassis_core":
            continue
        whole = f"{owner}.{name}" if name else owner
        if name.startswith("_") or (owner not in PUBLIC and whole not in PUBLIC):
            yield node, f"{whole} is internal to the chassis; import from {_public(owner)}"
    for attribute in module.all(ast.Attribute):
        name = module.dotted(attribute)
        if any(name.startswith(f"chassis_core.{one}.") for one in _INTERNAL):
            yield attribute, f"{name} is internal to the chassis; import from chassis_core"


def _public(owner: str) -> str:
    parts = owner.split(".")
    near = ".".join(parts[:3])
    return near if near in PUBLIC else "chassis_core"


def _others(source: Source) -> Iterator[Located]:
    others = _neighbours(source.folder)
    for module in source.modules.values():
        for node, owner, _ in module.imports():
            if (other := owner.partition(".")[0]) in others:
                yield module, node, f"imports the service {other}; call it with client({other!r})"
        for call in module.all(ast.Call):
            if module.dotted(call.func) in {"sys.path.append", "sys.path.insert"}:
                yield module, call, "sys.path is not a service's to change; depend on a package"


def _neighbours(folder: Path) -> set[str]:
    folders = (path for path in folder.parent.iterdir() if path.is_dir() and path != folder)
    return {package_of(path.name) for path in folders}


def _patches(module: Module) -> Iterator[Sight]:
    for node, owner, _ in module.imports():
        if owner.partition(".")[0] in {"unittest", "pytest", "mock"}:
            yield node, f"{owner} is for tests; a service does not import it"
    for node in module.all(ast.Attribute):
        if node.attr == "dependency_overrides":
            yield node, "dependency_overrides takes guards away; it is for nobody but tests"
    for place, name in _written_to(module):
        if f"{name}.".startswith(_FOUNDATIONS):
            yield place, f"changes {name} for every app in the process; leave it alone"


def _written_to(module: Module) -> Iterator[tuple[ast.AST, str]]:
    for kind in (ast.Assign, ast.AugAssign, ast.Delete):
        for statement in module.all(kind):
            for target in _changed(statement):
                yield statement, module.dotted(target)
    for call in module.all(ast.Call):
        if module.dotted(call.func) in {"setattr", "delattr"} and call.args:
            yield call, module.dotted(call.args[0])


def _changed(statement: ast.AST) -> Iterator[ast.AST]:
    for target in targets(statement):
        if isinstance(target, ast.Attribute):
            yield target
        elif isinstance(target, ast.Subscript):
            yield target.value


PUBLIC_NAMES = source_rule(
    "public-names",
    says="A service imports the public names of the chassis, and no others.",
    why="What is internal changes without a word, and often skips the guard in front of it.",
    instead="`from chassis_core import …`, or from `chassis_core.concerns.<name>`, `.problem`, "
    "`.settings`, `.ids`, `.moments`, `.migrations`, `.preconditions`, `.concern`.",
    see=_private,
)
SERVICES_APART = service_rule(
    "services-apart",
    says="Services meet over HTTP and events only; none imports another.",
    why="Two services that share code must be deployed together, and fail together.",
    instead="Call it: `Annotated[ServiceClient, Depends(client('users'))]`, or consume its events.",
    see=_others,
)
NO_PATCHING = source_rule(
    "no-patching",
    says="Nothing of the chassis or its libraries is changed while it runs.",
    why="A patch holds for every app in the process, and no reader of the chassis knows of it.",
    instead="Use a setting, or a concern of your own; ask the foundation's owners for a seam.",
    see=_patches,
)
