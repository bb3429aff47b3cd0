"""What the names of a file stand for: its imports, its definitions and its plain aliases."""

import ast
from collections.abc import Iterator, Mapping

from chassis_core.contract.rules.nodes import assigned


def named(tree: ast.Module, name: str, package: str) -> Mapping[str, str]:
    """Return the dotted name that each name of a file stands for.

    Args:
        tree: the file.
        name: its own dotted name.
        package: what its relative imports start from.
    """
    names: dict[str, str] = {}
    for statement in tree.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names[statement.name] = f"{name}.{statement.name}"
    for node in ast.walk(tree):
        names.update(_imported(node, package))
    for statement in tree.body:
        names.update(_assigned(statement, name, names))
    return names


def _imported(node: ast.AST, package: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Import):
        for one in node.names:
            first = one.name.partition(".")[0]
            yield (one.asname, one.name) if one.asname else (first, first)
    elif isinstance(node, ast.ImportFrom):
        for one in node.names:
            yield one.asname or one.name, f"{source_of(node, package)}.{one.name}"


def source_of(node: ast.ImportFrom, package: str) -> str:
    """Return the module that an import takes names from."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    start = parts[: len(parts) - node.level + 1]
    return ".".join([*start, node.module] if node.module else start)


def _assigned(
    statement: ast.stmt, name: str, names: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for one in assigned(statement):
        yield one, _plain(getattr(statement, "value", None), names) or f"{name}.{one}"


def _plain(node: ast.AST | None, names: Mapping[str, str]) -> str:
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute) and (owner := _plain(node.value, names)):
        return f"{owner}.{node.attr}"
    return ""
