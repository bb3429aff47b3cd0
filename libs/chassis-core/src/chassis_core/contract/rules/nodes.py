"""What a node says by itself, whatever file it stands in."""

import ast


def keyword(node: ast.Call | ast.ClassDef, name: str) -> ast.expr | None:
    """Return what a call or a class is given by a keyword, if it is."""
    return next((one.value for one in node.keywords if one.arg == name), None)


def method(call: ast.Call) -> str:
    """Return what is called of something: `commit` of `session.commit()`; empty for a name."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def targets(statement: ast.AST) -> list[ast.expr]:
    """Return what a statement gives a value, changes or deletes."""
    if isinstance(statement, (ast.Assign, ast.Delete)):
        return statement.targets
    if isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
        return [statement.target]
    return []


def assigned(statement: ast.AST) -> list[str]:
    """Return the names that a statement gives a value, whatever they had before."""
    if not isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return []
    return [target.id for target in targets(statement) if isinstance(target, ast.Name)]
