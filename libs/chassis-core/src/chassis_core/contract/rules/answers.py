"""The rule on errors: raised as problems, answered by the chassis."""

import ast
from collections.abc import Iterator

from chassis_core.contract.rules.making import Sight, source_rule
from chassis_core.contract.rules.nodes import keyword
from chassis_core.contract.rules.source import Module

_ERRORS = {"Exception", "BaseException", "HTTPException", "RequestValidationError", "Problem"}


def _answers(module: Module) -> Iterator[Sight]:
    for node in module.all(ast.Attribute):
        if node.attr in {"exception_handler", "add_exception_handler", "exception_handlers"}:
            yield node, f".{node.attr} answers past the problems; raise one of chassis_core.problem"
    for call in module.all(ast.Call):
        name = module.dotted(call.func)
        if name == "chassis_core.Concern":
            yield from _broad_handlers(module, call)
        elif name.startswith(("fastapi.", "starlette.")) and name.endswith(".HTTPException"):
            yield call, "HTTPException has no type and no title of its own; raise a problem"
        elif (status := _status(call, name)) >= 400:
            yield call, f"a {status} made by hand is no problem document; raise a problem"
    for target in module.all(ast.Assign):
        if _sets_error_status(target):
            yield target, "an error status without a problem document; raise a problem"


def _broad_handlers(module: Module, call: ast.Call) -> Iterator[Sight]:
    handlers = keyword(call, "error_handlers")
    for key in handlers.keys if isinstance(handlers, ast.Dict) else ():
        if key is not None and module.last(key) in _ERRORS:
            yield key, f"a handler of {ast.unparse(key)} replaces the chassis's; handle your own"


def _status(call: ast.Call, name: str) -> int:
    if not (name.startswith(("fastapi.", "starlette.")) and name.endswith("Response")):
        return 0
    given = [keyword(call, "status_code"), *call.args[1:2]]
    values = [one.value for one in given if isinstance(one, ast.Constant)]
    return max((value for value in values if isinstance(value, int)), default=0)


def _sets_error_status(node: ast.Assign) -> bool:
    value, target = node.value, node.targets[0]
    if not (isinstance(target, ast.Attribute) and target.attr == "status_code"):
        return False
    return isinstance(value, ast.Constant) and isinstance(value.value, int) and value.value >= 400


ERRORS_ARE_PROBLEMS = source_rule(
    "errors-are-problems",
    says="Every error is raised as a problem, and answered by the chassis.",
    why="An answer made by hand has no type, no request id and no place in the OpenAPI document.",
    instead="Raise one of `chassis_core.problem`, such as `NotFound` or `Conflict`, or a subclass.",
    see=_answers,
)
