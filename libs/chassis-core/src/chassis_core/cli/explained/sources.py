"""What the source of a package says: which problems it answers with, and what it measures."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from chassis_core.cli.explained.installed import subclasses
from chassis_core.problem import Problem

METRICS = frozenset({"Counter", "Gauge", "Histogram", "Summary"})


@dataclass(frozen=True, slots=True)
class Call:
    """A place in the source that makes a problem or a metric.

    Attributes:
        module: such as `chassis_core.concerns.load.load`.
        line: of the file.
        function: around it, as `Load.refuse`.
        made: the class that is called.
        texts: the texts among the arguments; a part that is computed is in braces.
        labels: the texts of the first list among the arguments.
        status: the number given as `status`, if one is.
    """

    module: str
    line: int
    function: str
    made: str
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    status: int | None

    @property
    def concern(self) -> str:
        """The concern that it is part of, or the package."""
        parts = self.module.split(".")
        return parts[2] if parts[:2] == ["chassis_core", "concerns"] else parts[0]

    @property
    def labelled(self) -> str:
        """The labels as PromQL has them."""
        return f"{{{','.join(self.labels)}}}" if self.labels else ""

    @property
    def place(self) -> str:
        """The module and the line."""
        return f"{self.module}:{self.line}"

    @property
    def when(self) -> str:
        """What a problem says, or the function that makes it, and where."""
        return f"{': '.join(self.texts) or self.function} ({self.place})"


@cache
def calls(package: str) -> tuple[Call, ...]:
    """Return what the modules of a package make, in the order of their names."""
    spec = find_spec(package)
    folders = (spec.submodule_search_locations or []) if spec else []
    files = sorted(file for folder in folders for file in Path(folder).rglob("*.py"))
    return tuple(call for file in files for call in _in(file, Path(folders[0]).parent))


def problems(package: str) -> Iterator[tuple[int, Call]]:
    """Return the problems of a package, each with its status."""
    kinds: list[type[Problem]] = [Problem, *subclasses(Problem)]
    known = {kind.__name__: kind.status for kind in kinds}
    for call in calls(package):
        if call.made in known:
            yield call.status or known[call.made], call


def metrics(package: str) -> Iterator[tuple[str, Call]]:
    """Return the metrics of a package, each with the name that it is scraped by."""
    for call in calls(package):
        if call.made in METRICS and call.texts:
            total = "_total" if call.made == "Counter" else ""
            yield call.texts[0].removesuffix("_total") + total, call


def _in(file: Path, root: Path) -> Iterator[Call]:
    module = ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
    tree = ast.parse(file.read_text("utf-8"))
    texts = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value.value, str)
    }
    yield from _below(tree, module, (), texts)


def _below(
    node: ast.AST, module: str, around: tuple[str, ...], texts: dict[str, str]
) -> Iterator[Call]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        around = (*around, node.name)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        yield _call(node, node.func.id, module, around, texts)
    for child in ast.iter_child_nodes(node):
        yield from _below(child, module, around, texts)


def _call(
    node: ast.Call, made: str, module: str, around: tuple[str, ...], texts: dict[str, str]
) -> Call:
    found = [text for argument in node.args if (text := _text(argument, texts))]
    lists = [argument for argument in node.args if isinstance(argument, ast.List)]
    labels = [_text(label, texts) for label in lists[0].elts] if lists else []
    status = {word.arg: getattr(word.value, "value", None) for word in node.keywords}.get("status")
    number = status if isinstance(status, int) else None
    return Call(module, node.lineno, ".".join(around), made, tuple(found), tuple(labels), number)


def _text(node: ast.expr, texts: dict[str, str]) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.Name):
        return texts.get(node.id, f"{{{node.id}}}")
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, texts) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, texts) or f"{{{ast.unparse(node.value)}}}"
    return ""
