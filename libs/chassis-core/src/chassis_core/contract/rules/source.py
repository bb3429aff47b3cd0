"""The source of a service as rules see it: parsed, never imported, with names followed."""

import ast
import builtins
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from chassis_core.contract.document import package_of
from chassis_core.contract.rules.names import named, source_of
from chassis_core.contract.rules.nodes import assigned

N = TypeVar("N", bound=ast.AST)
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_BUILTIN = frozenset(dir(builtins))
_SKIPPED = {"tests", "node_modules", "__pycache__"}


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    """One source file.

    Attributes:
        path: relative to the root.
        name: as it is imported, such as `orders.api`.
        tree: what is in it.
        kinds: its nodes by kind.
        parents: what each node stands in.
        names: what each name stands for, with its module.
    """

    path: str
    name: str
    tree: ast.Module
    kinds: Mapping[type[ast.AST], list[ast.AST]]
    parents: Mapping[ast.AST, ast.AST]
    names: Mapping[str, str]

    def all(self, kind: type[N]) -> list[N]:
        """Return the nodes of a kind, in the order of the file."""
        return self.kinds.get(kind, [])  # type: ignore[return-value]

    def dotted(self, node: ast.AST | None) -> str:
        """Return what a name stands for, such as `fastapi.FastAPI`; empty for no name."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id, node.id if node.id in _BUILTIN else "")
        if isinstance(node, ast.Attribute) and (owner := self.dotted(node.value)):
            return f"{owner}.{node.attr}"
        return ""

    def last(self, node: ast.AST | None) -> str:
        """Return the last part of what a name stands for, such as `FastAPI`; empty for no name."""
        return self.dotted(node).rpartition(".")[2]

    def imports(self) -> Iterator[tuple[ast.AST, str, str]]:
        """Yield every import: its place, the module, and the name taken from it, if one is."""
        package = _package(self.path, self.name)
        for node in self.all(ast.ImportFrom):
            for one in node.names:
                yield node, source_of(node, package), one.name
        for plain in self.all(ast.Import):
            for one in plain.names:
                yield plain, one.name, ""
        for call in self.all(ast.Call):
            if self.dotted(call.func) in {"importlib.import_module", "__import__"} and call.args:
                first = call.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield call, first.value, ""

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield what a node stands in, from the inside out."""
        while (outer := self.parents.get(node)) is not None:
            yield outer
            node = outer

    def function_of(self, node: ast.AST) -> FunctionNode | ast.Lambda | None:
        """Return the innermost function that runs a node, or None when it runs at import."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        inner = node
        for outer in self.above(node):
            if isinstance(outer, kinds) and _in_body(outer, inner):
                return outer
            inner = outer
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """All source of one service, but for its tests."""

    root: Path
    folder: Path
    modules: Mapping[str, Module]

    @property
    def package(self) -> str:
        """The name of the service's package."""
        return package_of(self.folder.name)

    def definition(self, name: str, depth: int = 8) -> tuple[Module, ast.stmt] | None:
        """Return where a dotted name of this service is defined, through re-exports."""
        owner, _, last = name.rpartition(".")
        module = self.modules.get(owner)
        if module is None or not depth:
            return None
        for statement in reversed(module.tree.body):
            if last in _defined(statement):
                return module, statement
        further = module.names.get(last, name)
        return self.definition(further, depth - 1) if further != name else None


def python_files(folder: Path) -> Iterator[Path]:
    """Yield a service's source files, without tests and what tools have left."""
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        skipped = any(part in _SKIPPED or part.startswith(".") for part in parts[:-1])
        if not skipped and path.is_file():
            yield path


def test_files(folder: Path) -> Iterator[Path]:
    """Yield the source files of a service's tests."""
    return (path for path in sorted((folder / "tests").rglob("*.py")) if path.is_file())


def read(root: Path, folder: Path) -> Source:
    """Return the source of the service in `folder`; what is no Python is left out."""
    modules = {}
    for path in python_files(folder):
        name = _module_name(path, folder)
        try:
            module = _parsed(path.relative_to(root).as_posix(), name, path.read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError):
            continue
        modules[name] = module
    return Source(root, folder, modules)


def class_bases(source: Source, module: Module, node: ast.ClassDef) -> Iterator[str]:
    """Yield the names of all classes that a class inherits from, through the service's own."""
    for base in node.bases:
        inner = base.value if isinstance(base, ast.Subscript) else base
        name = module.dotted(inner)
        yield name
        found = source.definition(name)
        if found and isinstance(found[1], ast.ClassDef) and found[1] is not node:
            yield from class_bases(source, found[0], found[1])


@lru_cache(4096)
def parse(text: bytes) -> ast.Module:
    """Return the tree of a file; the same text is parsed once.

    Raises:
        SyntaxError: it is no Python; `ValueError` or `RecursionError` when it is even less.
    """
    return ast.parse(text)


@lru_cache(4096)
def _parsed(path: str, name: str, text: bytes) -> Module:
    tree = parse(text)
    kinds: dict[type[ast.AST], list[ast.AST]] = {}
    parents: dict[ast.AST, ast.AST] = {}
    for node in ast.walk(tree):
        kinds.setdefault(type(node), []).append(node)
        for child in ast.iter_child_nodes(node):
            parents[child] = node
    return Module(path, name, tree, kinds, parents, named(tree, name, _package(path, name)))


def _package(path: str, name: str) -> str:
    return name if path.endswith("/__init__.py") else name.rpartition(".")[0]


def _module_name(path: Path, folder: Path) -> str:
    parts = path.relative_to(folder).with_suffix("").parts
    parts = parts[1:] if parts[0] == "src" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _in_body(function: ast.AST, inner: ast.AST) -> bool:
    body = getattr(function, "body", [])
    return inner is body if isinstance(function, ast.Lambda) else inner in body


def _defined(statement: ast.stmt) -> set[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    return set(assigned(statement))
