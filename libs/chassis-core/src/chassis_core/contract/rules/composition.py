"""Rules on how a service's app is made: by the chassis, whole, and with nothing around it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from chassis_core.contract.rules.making import Located, Sight, everywhere, service_rule, source_rule
from chassis_core.contract.rules.nodes import assigned, keyword, method
from chassis_core.contract.rules.source import Module, Source

STANDARD = frozenset(
    path.stem
    for path in (Path(__file__).parents[2] / "concerns").iterdir()
    if not path.name.startswith("_")
)
"""The names of the standard concerns: each is named as its file."""
_APPS = {"FastAPI", "Starlette", "Flask", "Quart", "Litestar", "Sanic", "Robyn"}
_SERVERS = {"uvicorn", "hypercorn", "granian", "gunicorn", "daphne", "waitress", "wsgiref"}
_MIDDLEWARE = ("starlette.middleware.", "fastapi.middleware.")
_LATER = {"on_event", "add_event_handler", "lifespan_context", "openapi_url", "docs_url"}
_PAST = {"mount", "websocket", "websocket_route", "add_websocket_route", "add_api_websocket_route"}
_STACK = {"user_middleware", "middleware_stack", "build_middleware_stack"}


def _apps(module: Module) -> Iterator[Sight]:
    for call in module.all(ast.Call):
        name = module.dotted(call.func)
        if "." in name and module.last(call.func) in _APPS and not _internal(name, module):
            yield call, f"{name}() makes an app without the chassis; use create_app"
        elif name.partition(".")[0] in _SERVERS and "." in name:
            yield call, f"{name}() starts a server of its own; chassis serve runs the service"
        elif method(call) in _PAST:
            yield call, f".{method(call)}() answers past tokens and promises; write HTTP routes"
    for attribute in module.all(ast.Attribute):
        if attribute.attr in _LATER:
            yield attribute, f".{attribute.attr} changes the app after it is made; use a Concern"
    for node in module.all(ast.ClassDef):
        for base in node.bases:
            if module.last(base) in _APPS or module.dotted(base) == "chassis_core.App":
                yield node, f"{node.name} is an app of its own kind; use create_app"


def _internal(name: str, module: Module) -> bool:
    return name.partition(".")[0] == module.name.partition(".")[0]


def _factories(source: Source) -> Iterator[Located]:
    main = source.modules.get(f"{source.package}.main")
    if main is None:
        return
    for node in main.tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "app":
            for back in _returns(node):
                if back.value is None or not _made(main, node, back.value):
                    yield main, back, "app() returns something else than create_app made"


def _returns(function: ast.FunctionDef) -> Iterator[ast.Return]:
    return (node for node in ast.walk(function) if isinstance(node, ast.Return))


def _made(module: Module, function: ast.FunctionDef, value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        name = module.dotted(value.func)
        built = name == "chassis_core.create_app" or method(value) == "build"
        return built or _internal(name, module)
    if isinstance(value, ast.Name):
        nodes = [n for n in ast.walk(function) if isinstance(n, (ast.Assign, ast.AnnAssign))]
        values = [n.value for n in nodes if value.id in assigned(n)]
        return bool(values) and all(v and _made(module, function, v) for v in values)
    return False


def _all_apps(source: Source) -> Iterator[Located]:
    yield from everywhere(source, _apps)
    yield from _factories(source)


def _left_out(module: Module) -> Iterator[Sight]:
    for call in module.all(ast.Call):
        name = module.dotted(call.func)
        if name == "chassis_core.Concern":
            yield from _impostors(call)
        elif name == "chassis_core.compose":
            yield call, "compose() leaves out the standard concerns; use create_app"
        elif name == "chassis_core.Chassis" and not _adds_all(module):
            yield call, "Chassis() without every concern of standard(); use create_app"
    for node in module.all(ast.Attribute):
        if module.dotted(node).startswith("chassis_core.Layer.") and node.attr != "SERVICE":
            yield node, f"Layer.{node.attr} belongs to the chassis; a service has Layer.SERVICE"


def _impostors(call: ast.Call) -> Iterator[Sight]:
    value = keyword(call, "name")
    if isinstance(value, ast.Constant) and value.value in STANDARD:
        yield call, f"a concern named {value.value!r} replaces the standard one; name it otherwise"


def _adds_all(module: Module) -> bool:
    calls = [c for c in module.all(ast.Call) if module.dotted(c.func) == "chassis_core.standard"]
    return any(_unfiltered(module, call) for call in calls)


def _unfiltered(module: Module, call: ast.Call) -> bool:
    outer = module.parents[call]
    if isinstance(outer, ast.For):
        return not any(isinstance(node, (ast.If, ast.Continue)) for node in ast.walk(outer))
    return isinstance(outer, ast.Starred)


def _wrapping(module: Module) -> Iterator[Sight]:
    instead = "put raw ASGI middleware into a Concern at Layer.SERVICE"
    for node in module.all(ast.Attribute):
        if node.attr == "add_middleware" or node.attr in _STACK:
            yield node, f".{node.attr} goes around the layers; {instead}"
    for call in module.all(ast.Call):
        if method(call) == "middleware" and isinstance(module.parents[call], _DECORATED):
            yield call, f"@….middleware() goes around the layers; {instead}"
    for where, owner, name in module.imports():
        whole = f"{owner}.{name}" if name else owner
        if whole.startswith(_MIDDLEWARE) and whole != "starlette.middleware.Middleware":
            yield where, f"{whole} stands outside the order of layers; {instead}"


_DECORATED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


ONE_APP = service_rule(
    "one-app",
    says="A service's app is made by `create_app`, and served by `chassis serve`.",
    why="An app made otherwise has no request ids, no limits, no problems and no drain.",
    instead="`return create_app(Settings(), routers=[router])` in `main.py`, nothing around it.",
    see=_all_apps,
)
STANDARD_CONCERNS = source_rule(
    "standard-concerns",
    says="No standard concern is replaced or left out, and no layer of the chassis is taken.",
    why="A service without one of them looks the same, until the day that concern is needed.",
    instead="Set what you need in the concern's settings; give your own concern its own name.",
    see=_left_out,
)
NO_ADDED_MIDDLEWARE = source_rule(
    "no-added-middleware",
    says="Middleware is raw ASGI, in a concern, at `Layer.SERVICE`.",
    why="`add_middleware` puts it outside the error layer, `BaseHTTPMiddleware` breaks streams.",
    instead="`Concern(name=..., middleware={Layer.SERVICE: Middleware(Mine)})`; CORS and hosts are "
    "settings.",
    see=_wrapping,
)
