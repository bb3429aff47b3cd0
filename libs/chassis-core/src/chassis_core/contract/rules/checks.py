"""The rule on checks: a service passes the repository's, and runs all of its tests."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from chassis_core.contract.rule import Finding, Rule
from chassis_core.contract.rules.making import Sight
from chassis_core.contract.rules.source import parse, python_files, test_files

_CONFIGS = {"ruff.toml", ".ruff.toml", "mypy.ini", ".mypy.ini", "setup.cfg", "pytest.ini"}
_CONFIGS |= {"tox.ini", ".importlinter", "noxfile.py", ".flake8", "pyrightconfig.json"}
_BLANKET = re.compile(
    r"(?m)^\s*#\s*(ruff:\s*noqa|flake8:\s*noqa|mypy:\s*(ignore-errors|disable-error-code)|"
    r"type:\s*ignore\s*$|pyright:\s*basic)"
)
_ALWAYS = {"pytest.mark.skip", "pytest.mark.xfail", "unittest.skip", "mark.skip", "mark.xfail"}
_HIDES = re.compile(r"(collect_ignore(_glob)?|__test__) =|pytest\.(skip|xfail|exit)\(")


def _checks(root: Path, folder: Path) -> Iterator[Finding]:
    name = "checks-stay-on"
    for path in sorted(folder.rglob("*")):
        if path.name in _CONFIGS:
            where = path.relative_to(root).as_posix()
            yield Finding(where, 0, name, f"{path.name} checks this service otherwise; remove it")
    project = folder / "pyproject.toml"
    if project.is_file():
        for number, line in enumerate(project.read_text("utf-8", "replace").splitlines(), 1):
            if re.match(r"\s*\[+tool\.(ruff|mypy|pytest|coverage|importlinter|pyright)", line):
                where = project.relative_to(root).as_posix()
                yield Finding(where, number, name, "checks are the repository's; remove this table")
    yield from _silenced(root, folder, name)
    yield from _unasked(root, folder, name)


def _unasked(root: Path, folder: Path, name: str) -> Iterator[Finding]:
    path = folder / "tests/test_conformance.py"
    text = path.read_text("utf-8", "replace") if path.is_file() else ""
    where = path.relative_to(root).as_posix()
    if "await promise()" not in text or f'SERVICE = "{folder.name}"' not in text:
        yield Finding(where, 0, name, "asks for no promise; write it as orders has it")


def _silenced(root: Path, folder: Path, name: str) -> Iterator[Finding]:
    tests = list(test_files(folder))
    for path in [*python_files(folder), *tests]:
        text = path.read_text("utf-8", "replace")
        where = path.relative_to(root).as_posix()
        for found in _BLANKET.finditer(text):
            number = text.count("\n", 0, found.start(1)) + 1
            yield Finding(where, number, name, "turns a check off for a whole file; mend the line")
        if path in tests:
            for node, message in _skipped(text):
                yield Finding(where, getattr(node, "lineno", 0), name, message)


def _skipped(text: str) -> Iterator[Sight]:
    try:
        tree = parse(text.encode())
    except (SyntaxError, ValueError, RecursionError):
        return
    # Most tests name none of these, and a walk through all of them takes a while.
    for node in ast.walk(tree) if "skip" in text or "xfail" in text else ():
        if isinstance(node, ast.Attribute) and ast.unparse(node) in _ALWAYS:
            yield node, "a test that never counts; mend it, or mend what it found"
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for statement in [*tree.body, *(inner for cls in classes for inner in cls.body)]:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if _says_nothing(statement):
                yield statement, "a test that cannot fail; say what holds"
        elif _HIDES.match(ast.unparse(statement)):
            yield statement, "hides tests from pytest; mend them, or mend what they found"


def _says_nothing(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    if not function.name.startswith("test_"):
        return False
    body = [s for s in function.body if not _is_nothing(s)]
    first = ast.unparse(body[0]) if body else ""
    return not body or first.startswith(("pytest.skip(", "pytest.xfail(", "return"))


def _is_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assert):
        return isinstance(statement.test, ast.Constant)
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


CHECKS_STAY_ON = Rule(
    "checks-stay-on",
    says="Every service passes the repository's checks and runs all of its tests.",
    why="A check that one service turned off protects nobody who reads that it is on.",
    instead="Mend the line; `# noqa: RULE - reason` on it where the check is wrong.",
    find=_checks,
)
