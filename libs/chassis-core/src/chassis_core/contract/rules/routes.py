"""The rule on routes that change something: they know their caller, or limit strangers."""

import ast
from collections.abc import Iterator

from chassis_core.contract.rules.making import Located, service_rule
from chassis_core.contract.rules.nodes import keyword, method
from chassis_core.contract.rules.routing import Route, routes
from chassis_core.contract.rules.source import FunctionNode, Module, Source

_GUARDS = {"CurrentUser", "get_current_user", "require_scopes", "require_roles", "RateLimit"}
_HARMLESS = ("chassis_core.", "fastapi.", "starlette.", "pydantic.", "sqlalchemy.", "typing.")
_DEPENDS = {"fastapi.Depends", "fastapi.Security"}


def _open(source: Source) -> Iterator[Located]:
    for route in routes(source):
        if not _Looker(source).is_guarded(route):
            name = route.function.name if route.function else "what is no function here"
            yield (
                route.home,
                route.function or route.call,
                (
                    f"{route.verb.upper()} by {name} lets strangers change things without "
                    "limit; take CurrentUser, or give it a RateLimit by address"
                ),
            )


class _Looker:
    """Looks through parameters, dependencies and routers for a guard."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._seen: set[str] = set()

    def is_guarded(self, route: Route) -> bool:
        module, call = route.module, route.call
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        router = module.dotted(owner) or module.dotted(call.func).rpartition(".")[0]
        return (
            (route.function is not None and self._takes(route.home, route.function))
            or self._depends(module, call)
            or self._router(router)
        )

    def _takes(self, module: Module, function: FunctionNode) -> bool:
        arguments = function.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        defaults = [*arguments.defaults, *[d for d in arguments.kw_defaults if d]]
        annotations = [one.annotation for one in every if one.annotation is not None]
        return any(self._holds(module, node) for node in [*annotations, *defaults])

    def _router(self, name: str) -> bool:
        found = self._source.definition(name)
        if found is None:
            return bool(name)  # one from elsewhere; one that a function makes has no name
        module, statement = found
        calls = [node for node in ast.walk(statement) if isinstance(node, ast.Call)]
        return any(self._depends(module, call) for call in calls) or self._included(name)

    def _included(self, name: str) -> bool:
        return any(
            self._depends(module, call)
            for module in self._source.modules.values()
            for call in module.all(ast.Call)
            if method(call) == "include_router"
            and call.args
            and self._same(module, call.args[0], name)
        )

    def _depends(self, module: Module, call: ast.Call) -> bool:
        given = keyword(call, "dependencies")
        return given is not None and self._holds(module, given)

    def _same(self, module: Module, node: ast.expr, name: str) -> bool:
        mine, other = (self._source.definition(one) for one in (module.dotted(node), name))
        return mine is not None and other is not None and mine[1] is other[1]

    def _holds(self, module: Module, node: ast.AST) -> bool:
        names = [
            module.dotted(one)
            for one in ast.walk(node)
            if isinstance(one, (ast.Name, ast.Attribute))
        ]
        return any(self._guards(name) for name in names if name)

    def _guards(self, name: str) -> bool:
        last = name.rpartition(".")[2]
        if name.startswith("chassis_core."):
            return last in _GUARDS
        if name in self._seen or "." not in name:
            return False
        self._seen.add(name)
        found = self._source.definition(name)
        return found is not None and self._leads(*found)

    def _leads(self, module: Module, statement: ast.stmt) -> bool:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return self._takes(module, statement)
        if isinstance(statement, ast.ClassDef):
            calls = [
                n for n in statement.body if getattr(n, "name", "") in {"__init__", "__call__"}
            ]
            return any(self._takes(module, one) for one in calls)  # type: ignore[arg-type]
        value = getattr(statement, "value", None)
        return value is not None and self._holds(module, value)


GUARDED_ROUTES = service_rule(
    "guarded-routes",
    says="A route that changes something knows its caller, or limits strangers.",
    why="A forgotten parameter is the whole difference between an API and an open door.",
    instead="Take `CurrentUser`, or `dependencies=[Depends(require_scopes('…'))]`; a public route "
    "says so by its own `RateLimit('10/minute', by='address')`.",
    see=_open,
)
