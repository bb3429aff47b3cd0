"""The rule on reads: a GET changes nothing."""

import ast
from collections.abc import Iterator

from chassis_core.contract.rules.data import is_session
from chassis_core.contract.rules.making import Sight, source_rule
from chassis_core.contract.rules.nodes import method
from chassis_core.contract.rules.source import Module

_WRITES = {"add", "add_all", "delete", "merge"}
_RUNS = {"execute", "scalar", "scalars"}


def _writing_reads(module: Module) -> Iterator[Sight]:
    for call in module.all(ast.Call):
        function = call.func
        if not (isinstance(function, ast.Attribute) and _writes(module, call)):
            continue
        if is_session(module, function.value) and _is_read(module, call):
            yield call, f".{function.attr}() in a GET; caches and crawlers repeat it: use POST"


def _writes(module: Module, call: ast.Call) -> bool:
    made = [module.dotted(node.func) for node in ast.walk(call) if isinstance(node, ast.Call)]
    changes = any(
        name.startswith("sqlalchemy.") and name.endswith((".insert", ".update", ".delete"))
        for name in made
    )
    return method(call) in _WRITES or (method(call) in _RUNS and changes)


def _is_read(module: Module, call: ast.Call) -> bool:
    outer = module.function_of(call)
    marks = [m for m in getattr(outer, "decorator_list", []) if isinstance(m, ast.Call)]
    return any(method(mark) in {"get", "head"} for mark in marks)


READS_CHANGE_NOTHING = source_rule(
    "reads-change-nothing",
    says="A GET changes nothing.",
    why="Browsers, proxies and our own clients repeat it without asking, and no key makes it once.",
    instead="A POST, with `Idempotent` where it matters; an event for what is only counted.",
    see=_writing_reads,
)
