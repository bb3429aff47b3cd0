"""Whether the code that runs now survives the next migration (expand, deploy, contract)."""

import ast
from collections.abc import Iterator
from pathlib import Path

REMOVALS = frozenset({"drop_column", "drop_table", "rename_table"})


def assert_expands(directory: Path) -> None:
    """Assert that no migration takes away what the version before it uses.

    The old version serves on while the new one's migrations run. A migration that removes
    something says why nobody uses it any more: `contracts = "no code since 1.4 reads it"`.

    Args:
        directory: of the service's migrations.
    """
    for path in sorted((directory / "versions").glob("*.py")):
        module = ast.parse(path.read_text("utf-8"))
        is_first = _is(_value(module, "down_revision"), None)
        if not is_first and _value(module, "contracts") is None:
            found = sorted(set(_breaks(module)))
            assert not found, f"{path.name}: {', '.join(found)}: the old version still serves"


def _value(module: ast.Module, name: str) -> ast.expr | None:
    for statement in module.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            named = ast.walk(statement)
            if any(isinstance(node, ast.Name) and node.id == name for node in named):
                return statement.value
    return None


def _is(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _breaks(module: ast.Module) -> Iterator[str]:
    upgrades = [f for f in module.body if isinstance(f, ast.FunctionDef) and f.name == "upgrade"]
    for node in (node for upgrade in upgrades for node in ast.walk(upgrade)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        name, required = node.func.attr, _is(given.get("nullable"), False)
        if name in REMOVALS:
            yield name
        elif name == "alter_column" and ("new_column_name" in given or required):
            yield "alter_column to another name or to NOT NULL"
        elif name == "add_column" and _is_required(node):
            yield "add_column NOT NULL without a server_default"


def _is_required(call: ast.Call) -> bool:
    for column in (argument for argument in call.args if isinstance(argument, ast.Call)):
        given = {keyword.arg: keyword.value for keyword in column.keywords}
        if _is(given.get("nullable"), False) and "server_default" not in given:
            return True
    return False
