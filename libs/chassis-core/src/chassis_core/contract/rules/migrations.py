"""Rules on migrations: one line of them, each of which the code before it survives."""

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from chassis_core.contract.rules.making import Located, service_rule
from chassis_core.contract.rules.nodes import assigned, keyword, method
from chassis_core.contract.rules.source import Module, Source

_NOTE = re.compile(r"(?m)^\s*Contract: \S.{19,}")
_DROPS = {"drop_table", "drop_column", "rename_table"}
_SQL = re.compile(r"(?i)\b(drop\s+(table|column)|truncate|delete\s+from|rename\s+(to|column))\b")


def _steps(source: Source) -> Iterator[Module]:
    for name, module in source.modules.items():
        if f"{source.package}.migrations.versions." in name:
            yield module


def _values(module: Module) -> Mapping[str, ast.expr]:
    found: dict[str, ast.expr] = {}
    for statement in module.tree.body:
        value = getattr(statement, "value", None)
        if isinstance(value, ast.expr):
            found |= dict.fromkeys(assigned(statement), value)
    return found


def _ids(node: ast.expr | None) -> list[str]:
    if node is None:
        return []
    constants = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
    return [str(value) for value in constants if value is not None]


def _branches(source: Source) -> Iterator[Located]:
    steps = [(module, _values(module)) for module in _steps(source)]
    known = Counter(one for _, values in steps for one in _ids(values.get("revision")))
    children = Counter(one for _, values in steps for one in _ids(values.get("down_revision")))
    roots = [module for module, values in steps if not _ids(values.get("down_revision"))]
    for module, values in steps:
        for one in _ids(values.get("revision")):
            if known[one] > 1:
                yield module, values["revision"], f"two migrations are called {one}; rename one"
        for one in _ids(values.get("down_revision")):
            place = values["down_revision"]
            if one not in known:
                yield module, place, f"there is no migration {one}; name the last that is there"
            elif children[one] > 1:
                yield module, place, f"two migrations follow {one}; let one follow the other"
    for module in roots[1:]:
        yield module, module.tree, "a second first migration; set down_revision to the last one"


def _breaking(source: Source) -> Iterator[Located]:
    for module in _steps(source):
        if _NOTE.search(ast.get_docstring(module.tree) or ""):
            continue
        for function in module.all(ast.FunctionDef):
            if function.name == "upgrade":
                for call in ast.walk(function):
                    if isinstance(call, ast.Call) and (what := _breaks(module, call)):
                        yield module, call, f"{what} while the code before it still runs"


def _breaks(module: Module, call: ast.Call) -> str:
    last = method(call)
    if last in _DROPS:
        return f"{last}() takes away"
    if last == "execute" and any(_SQL.search(text) for text in _texts(call)):
        return "the statement takes away"
    if last == "alter_column" and keyword(call, "new_column_name"):
        return "alter_column() renames"
    if last == "alter_column" and _is_required(call):
        return "alter_column() demands a value"
    if last == "add_column" and _demands(module, call):
        return "add_column() demands a value (give it a server_default)"
    return ""


def _texts(call: ast.Call) -> Iterator[str]:
    for node in ast.walk(call):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _demands(module: Module, call: ast.Call) -> bool:
    columns = [c for c in ast.walk(call) if isinstance(c, ast.Call) and c is not call]
    for column in columns:
        if module.last(column.func) == "Column":
            return _is_required(column) and keyword(column, "server_default") is None
    return False


def _is_required(call: ast.Call) -> bool:
    return getattr(keyword(call, "nullable"), "value", None) is False


ONE_LINE_OF_MIGRATIONS = service_rule(
    "one-line-of-migrations",
    says="Each migration follows exactly one other, and only the first follows none.",
    why="With two heads `chassis migrate` refuses, and no deployment gets past it.",
    instead="`chassis migrate orders --new '…'` writes one that follows the last.",
    see=_branches,
)
MIGRATIONS_EXPAND_FIRST = service_rule(
    "migrations-expand-first",
    says="A migration takes nothing away that the running code uses.",
    why="During a rollout both versions serve: what one drops, the other still reads.",
    instead="Add, deploy, fill, and take away in a later release, whose migration says in its "
    "docstring `Contract: <since which release nothing uses it>`.",
    see=_breaking,
)
