"""Where a service's routes that change something are, by a decorator or by a call."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from chassis_core.contract.rules.nodes import keyword, method
from chassis_core.contract.rules.source import FunctionNode, Module, Source

UNSAFE = {"post", "put", "patch", "delete"}
_ADDS = {"add_api_route": "endpoint", "add_route": "route"}


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One route.

    Attributes:
        verb: its method, in lower case.
        module: the file that registers it.
        call: what registers it there, such as `router.post("/v1/books")`.
        home: the file of what answers it.
        function: what answers it; None if that is no function of the service.
    """

    verb: str
    module: Module
    call: ast.Call
    home: Module
    function: FunctionNode | None


def routes(source: Source) -> Iterator[Route]:
    """Yield every route of a service that changes something."""
    for module in source.modules.values():
        for function in _functions(module):
            for call in function.decorator_list:
                if isinstance(call, ast.Call) and (verb := _verb(source, module, call)):
                    yield Route(verb, module, call, module, function)
        for call in module.all(ast.Call):
            made, endpoint = _added(source, module, call)
            if endpoint is not None and (verb := _verb(source, module, made)):
                yield Route(verb, module, made, *_answering(source, module, endpoint))


def _functions(module: Module) -> list[FunctionNode]:
    return [*module.all(ast.FunctionDef), *module.all(ast.AsyncFunctionDef)]


def _added(source: Source, module: Module, call: ast.Call) -> tuple[ast.Call, ast.expr | None]:
    """Return the call that registers a route, and what it is given to answer it."""
    if isinstance(call.func, ast.Call):  # router.post("/v1/books")(add_book)
        return call.func, next(iter(call.args), None)
    if (name := _called(source, module, call)) in _ADDS:
        return call, keyword(call, _ADDS[name]) or next(iter(call.args[1:]), None)
    return call, None


def _verb(source: Source, module: Module, call: ast.Call) -> str:
    name = _called(source, module, call)
    if name in UNSAFE:
        return name
    if name not in {"route", "api_route", *_ADDS}:
        return ""
    given = [*call.args[1:], *filter(None, [keyword(call, "methods")])]
    nodes = [node for one in given for node in ast.walk(one)]
    values = {str(node.value).lower() for node in nodes if isinstance(node, ast.Constant)}
    return min(values & UNSAFE, default="")


def _called(source: Source, module: Module, call: ast.Call) -> str:
    """Return the method that is called: `post` of `router.post`, or of a name for that."""
    owner, _, last = module.dotted(call.func).rpartition(".")
    return method(call) or (last if source.definition(owner) else "")


def _answering(
    source: Source, module: Module, endpoint: ast.expr
) -> tuple[Module, FunctionNode | None]:
    found = source.definition(module.dotted(endpoint))
    if found and isinstance(found[1], FunctionNode):
        return found[0], found[1]
    name = endpoint.id if isinstance(endpoint, ast.Name) else None
    return module, next((one for one in _functions(module) if one.name == name), None)
