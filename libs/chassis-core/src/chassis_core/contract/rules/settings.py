"""Rules on settings and state: read once, in one place, and held by nobody else."""

import ast
from collections.abc import Iterator

from chassis_core.contract.rules.making import Located, Sight, everywhere, service_rule, source_rule
from chassis_core.contract.rules.nodes import assigned
from chassis_core.contract.rules.source import Module, Source, class_bases

_ENVIRONMENT = {"os.environ", "os.environb"}
_READERS = {"os.getenv", "os.getenvb", "os.putenv", "os.unsetenv"}
_LOADERS = {"dotenv", "decouple", "environs", "dynaconf", "configparser", "environ"}
_MADE = {"create_app", "share", "standard", "Chassis", "compose"}
_EMPTY = {"dict", "list", "set", "collections.defaultdict", "collections.deque"}
_EMPTY |= {"collections.OrderedDict", "collections.Counter", "weakref.WeakValueDictionary"}
_CHANGES = {"append", "add", "update", "setdefault", "pop", "popitem", "clear", "extend", "remove"}
_CHANGES |= {"insert", "discard", "appendleft"}
SETTINGS = ("chassis_core.ServiceSettings", "chassis_core.settings.ServiceSettings")


def is_settings(source: Source, name: str) -> bool:
    """Tell whether a dotted name is the settings class of this service."""
    found = source.definition(name)
    if found is None or not isinstance(found[1], ast.ClassDef):
        return name in SETTINGS
    return bool(set(SETTINGS) & set(class_bases(source, found[0], found[1])))


def _environment(module: Module) -> Iterator[Sight]:
    instead = "add a field to Settings"
    for node in [*module.all(ast.Attribute), *module.all(ast.Name)]:
        if (name := module.dotted(node)) in _ENVIRONMENT:
            yield node, f"{name} is read past the settings; {instead}"
    for call in module.all(ast.Call):
        if (name := module.dotted(call.func)) in _READERS:
            yield call, f"{name}() goes past the settings; {instead}"
    for place, owner, _ in module.imports():
        if owner.partition(".")[0] in _LOADERS:
            yield place, f"{owner} is a second way to settings; {instead}"
    for cls in module.all(ast.ClassDef):
        if "pydantic_settings.BaseSettings" in map(module.dotted, cls.bases):
            yield cls, f"{cls.name} reads the environment by itself; nest it in Settings"


def _import_time(source: Source) -> Iterator[Located]:
    for module in source.modules.values():
        for call in module.all(ast.Call):
            name = module.dotted(call.func)
            first, _, last = name.rpartition(".")
            made = first.startswith("chassis_core") and last in _MADE
            if not made and not (name and is_settings(source, name)):
                continue
            if module.function_of(call) is None and not _is_script(module, call):
                yield module, call, f"{last}() at import reads the environment; call it in app()"
            elif _is_cached(module, call) and not made:
                yield module, call, f"{last}() in a cached function is one for the process"


def _is_script(module: Module, node: ast.AST) -> bool:
    return any(
        isinstance(outer, ast.If) and "__name__" in ast.unparse(outer.test)
        for outer in module.above(node)
    )


def _is_cached(module: Module, node: ast.AST) -> bool:
    function = module.function_of(node)
    caches = {"functools.cache", "functools.lru_cache"}
    for decorator in getattr(function, "decorator_list", []):
        plain = decorator.func if isinstance(decorator, ast.Call) else decorator
        if module.dotted(plain) in caches:
            return True
    return False


def _state(module: Module) -> Iterator[Sight]:
    for statement in module.all(ast.Global):
        names = ", ".join(statement.names)
        yield statement, f"global {names} is shared by all apps and seen by one replica"
    kept = dict(_empties(module))
    for node in [*module.all(ast.Subscript), *module.all(ast.Call)]:
        name = _changed(node)
        if name in kept and _while_serving(module, node):
            yield node, f"{name} is filled while serving: lost at a restart, unseen by replicas"


def _while_serving(module: Module, node: ast.AST) -> bool:
    """Tell whether a function does it, other than one that registers what it is given."""
    function = module.function_of(node)
    if function is None or isinstance(function, ast.Lambda):
        return function is not None
    given = {argument.arg for argument in function.args.args}
    returned = {getattr(n.value, "id", "") for n in ast.walk(function) if isinstance(n, ast.Return)}
    return not given & returned


def _empties(module: Module) -> Iterator[tuple[str, ast.stmt]]:
    for statement in module.tree.body:
        if _is_empty(module, getattr(statement, "value", None)):
            for name in assigned(statement):
                yield name, statement


def _is_empty(module: Module, value: ast.AST | None) -> bool:
    if isinstance(value, ast.Call):
        return module.dotted(value.func) in _EMPTY
    return isinstance(value, (ast.Dict, ast.List, ast.Set)) and not list(_inside(value))


def _inside(value: ast.AST) -> Iterator[ast.AST]:
    return (node for node in ast.iter_child_nodes(value) if not isinstance(node, ast.expr_context))


def _changed(node: ast.AST) -> str:
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        return getattr(node.value, "id", "")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return getattr(node.func.value, "id", "") if node.func.attr in _CHANGES else ""
    return ""


def _configured(source: Source) -> Iterator[Located]:
    prefix = f"{source.package.upper()}_"
    yield from everywhere(source, _environment)
    for module in source.modules.values():
        for call in module.all(ast.Call):
            if module.dotted(call.func) != "pydantic_settings.SettingsConfigDict":
                continue
            given = {one.arg: getattr(one.value, "value", None) for one in call.keywords}
            if given.get("extra", "forbid") != "forbid":
                yield module, call, "a misspelt variable would be ignored; leave extra out"
            if given.get("env_prefix", prefix) != prefix:
                yield module, call, f"the settings of {source.package} begin with {prefix}"
            for one in given.keys() & {"env_file", "secrets_dir", "toml_file", "yaml_file"}:
                yield module, call, f"{one} is a second way to settings; the environment is the one"


SETTINGS_ONLY = service_rule(
    "settings-only",
    says="What a service is told comes through its `Settings`.",
    why="A variable read elsewhere is not checked at start, not documented, and not the same in "
    "tests.",
    instead="A field with a type and a docstring in `Settings`; `request.app.settings` reads it.",
    see=_configured,
)
NOTHING_AT_IMPORT = service_rule(
    "nothing-at-import",
    says="Nothing is read or built at import.",
    why="Tests, migrations and a second app would get the settings of whoever imported first.",
    instead="Make settings and app inside `app()`; hand down what others need.",
    see=_import_time,
)
NO_PROCESS_STATE = source_rule(
    "no-process-state",
    says="Nothing that requests change lives in a module.",
    why="It is lost at a restart, differs between replicas, and leaks from test to test.",
    instead="A table, `Cache`, or an object that a concern's lifespan yields.",
    see=_state,
)
