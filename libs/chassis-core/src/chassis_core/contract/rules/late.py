"""The rule on late writes: nothing is written after the answer has been sent."""

import ast
from collections.abc import Iterator

from chassis_core.contract.rules.data import is_session
from chassis_core.contract.rules.making import Located, service_rule
from chassis_core.contract.rules.nodes import method
from chassis_core.contract.rules.source import Module, Source

_WORK = {"execute", "scalar", "scalars", "flush", "commit", "add", "add_all", "delete", "merge"}


def _late(source: Source) -> Iterator[Located]:
    for module in source.modules.values():
        for call in module.all(ast.Call):
            if module.dotted(call.func) in {"fastapi.Depends", "fastapi.Security"} and call.args:
                found = source.definition(module.dotted(call.args[0]))
                if found and _works_after_its_yield(found[0], found[1]):
                    yield *found, "commits after the answer is sent; take Session as a parameter"
            elif _hands_on_a_session(module, call):
                yield module, call, "the session is closed when a background task runs"


def _hands_on_a_session(module: Module, call: ast.Call) -> bool:
    return method(call) == "add_task" and any(is_session(module, given) for given in call.args)


def _works_after_its_yield(module: Module, function: ast.AST) -> bool:
    yields = [node for node in ast.walk(function) if isinstance(node, ast.Yield)]
    for node in yields:
        if any(isinstance(outer, ast.AsyncWith) and _opens(outer) for outer in module.above(node)):
            return True
    first = min((node.lineno for node in yields), default=None)
    return first is not None and any(
        node.lineno > first and _is_work(module, node)
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
    )


def _opens(block: ast.AsyncWith) -> bool:
    calls = [item.context_expr for item in block.items]
    return any(isinstance(c, ast.Call) and method(c) in {"session", "begin"} for c in calls)


def _is_work(module: Module, call: ast.Call) -> bool:
    function = call.func
    return (
        isinstance(function, ast.Attribute)
        and function.attr in _WORK
        and is_session(module, function.value)
    )


COMMIT_BEFORE_THE_ANSWER = service_rule(
    "commit-before-the-answer",
    says="Nothing is written after the answer has been sent.",
    why="A dependency's code behind its `yield` runs after it: the caller reads 201 and it fails.",
    instead="Take `Session` as the route's parameter; publish an event for what comes later.",
    see=_late,
)
