"""The rule on guards: settings of the standard concerns that would turn one off."""

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from chassis_core.contract.bounds import BOUNDS, Bound, is_limit
from chassis_core.contract.document import prefix_of
from chassis_core.contract.rule import Finding, Rule
from chassis_core.contract.rules.making import Sight
from chassis_core.contract.rules.manifests import assignments, entries
from chassis_core.contract.rules.nodes import method
from chassis_core.contract.rules.source import Module, read

NAME = "guards-stay-on"


@dataclass(frozen=True, slots=True)
class Guard:
    """A setting, and which of its values leave the service open.

    Attributes:
        section: the concern.
        field: its setting.
        weak: tells whether one of its values is such a value.
        meaning: what the value does.
    """

    section: str
    field: str
    weak: Callable[[str], bool]
    meaning: str


def _off(value: str) -> bool:
    return value.lower() in {"", "null", "none", "false", "0", "0.0"}


def _beyond(bound: Bound) -> Callable[[str], bool]:
    def weak(value: str) -> bool:
        try:
            return not bound.fits(float(value))
        except ValueError:
            return _off(value)

    return weak


def _everyone(value: str) -> bool:
    if value == "*":
        return True
    try:
        return ip_network(value, strict=False).prefixlen < 8
    except ValueError:
        return False


GUARDS = (
    Guard("", "environment", bool, "is said in the source; the deployment says it"),
    Guard("rate_limit", "default", lambda v: not is_limit(v), "is no limit that anybody meets"),
    Guard("trusted_hosts", "allowed", lambda v: v == "*", "answers to any host name"),
    Guard("client_address", "trusted_proxies", _everyone, "lets clients choose their address"),
    Guard("cors", "allow_origins", lambda v: v == "*", "lets every web page read the answers"),
    Guard(
        "security_headers",
        "content_security_policy",
        lambda v: not v or "unsafe" in v or "*" in v,
        "lets pages run anything",
    ),
    Guard("logs", "access", _off, "leaves requests out of the log"),
    Guard("auth", "mode", lambda v: v.lower() == "none", "believes nobody, and so guards nothing"),
    Guard("auth", "algorithms", lambda v: v.lower() == "none", "believes unsigned tokens"),
    *(
        Guard(one.section, one.field, _beyond(one), f"is out of bounds ({one.says})")
        for one in BOUNDS
    ),
)
_CLASSES = {
    "".join(part.title() for part in one.section.split("_")) + "Settings": one.section
    for one in GUARDS
    if one.section
}


def _find(root: Path, folder: Path) -> Iterator[Finding]:
    for module in read(root, folder).modules.values():
        for node, section, field, values in _written(module):
            for message in _judged(section, field, values):
                yield Finding(module.path, getattr(node, "lineno", 0), NAME, message)
        for node, message in _unchecked(module):
            yield Finding(module.path, getattr(node, "lineno", 0), NAME, message)
    prefix = prefix_of(folder.name)
    production = folder / "deploy/production/kustomization.yaml"
    where = production.relative_to(root).as_posix()
    set_there = [pair for one in entries(root, folder) if one.path == where
                 for pair in assignments(one)]  # fmt: skip
    if production.exists() and f"{prefix}ENVIRONMENT" not in dict(set_there):
        yield Finding(where, 0, NAME, f"{prefix}ENVIRONMENT=production is missing: add it")
    for entry in entries(root, folder):
        for name, value in assignments(entry):
            for message in _deployed(entry.path, name.removeprefix(prefix), value):
                yield Finding(entry.path, entry.line, NAME, message)


def _unchecked(module: Module) -> Iterator[Sight]:
    for call in module.all(ast.Call):
        name, last = module.dotted(call.func), method(call)
        forced = name == "object.__setattr__" and "settings" in ast.unparse(call)
        copied = last == "model_copy" and call.keywords and "ettings" in ast.unparse(call.func)
        made = last == "model_construct" and "Settings" in ast.unparse(call.func)
        if forced or copied or made:
            yield call, "settings changed past their checks; say it in Settings, or from outside"


def _deployed(path: str, name: str, value: str) -> Iterator[str]:
    section, _, field = name.lower().partition("__")
    if field:
        yield from _judged(section, field, _split(value))
    if name == "ENVIRONMENT" and value != "production" and "/production/" in path:
        yield f"production runs as {value}; API docs and development defaults come with it"


def _judged(section: str, field: str, values: Iterable[str]) -> Iterator[str]:
    for guard in GUARDS:
        if (guard.section, guard.field) == (section, field):
            for value in values:
                if guard.weak(value):
                    name = f"{section}.{field}".strip(".")
                    yield f"{name} = {value or 'nothing'} {guard.meaning}"


def _split(value: str) -> list[str]:
    parts = value.strip().strip("[]").split(",")
    return [part.strip().strip("\"'") for part in parts]


def _written(module: Module) -> Iterator[tuple[ast.AST, str, str, list[str]]]:
    for call in module.all(ast.Call):
        last = module.last(call.func)
        section = _CLASSES.get(last, "")
        for keyword in call.keywords:
            if keyword.arg == "environment" and last == "Settings":
                yield keyword.value, "", "environment", _values(keyword.value)
            elif section and keyword.arg:
                yield keyword.value, section, keyword.arg, _values(keyword.value)
            elif keyword.arg and isinstance(keyword.value, ast.Dict):
                yield from _nested(keyword.arg, keyword.value)
    for cls in module.all(ast.ClassDef):
        for base in cls.bases:
            section = _CLASSES.get(module.last(base), "")
            for field in cls.body if section else ():
                if isinstance(field, ast.AnnAssign) and field.value is not None:
                    yield field, section, getattr(field.target, "id", ""), _values(field.value)


def _nested(section: str, given: ast.Dict) -> Iterator[tuple[ast.AST, str, str, list[str]]]:
    for key, value in zip(given.keys, given.values, strict=True):
        if isinstance(key, ast.Constant):
            yield value, section, str(key.value), _values(value)


def _values(node: ast.expr) -> list[str]:
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return [value for one in node.elts for value in _values(one)]
    if isinstance(node, ast.Constant):
        return ["null" if node.value is None else str(node.value)]
    if isinstance(node, ast.Call) and node.args:
        return _values(node.args[0])
    return []


GUARDS_STAY_ON = Rule(
    NAME,
    says="No setting turns a standard concern off, in the source or in a deployment.",
    why="`*`, `0` and `null` are quick answers to a failing test, and stay until somebody finds "
    "them from outside.",
    instead="Name the hosts, networks, origins and limits that you mean.",
    find=_find,
)
