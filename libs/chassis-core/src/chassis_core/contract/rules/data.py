"""Rules on the database: one unit of work a request, and no SQL made of strings."""

import ast
import re
from collections.abc import Iterator

from chassis_core.contract.rules.making import Sight, source_rule
from chassis_core.contract.rules.nodes import assigned, method
from chassis_core.contract.rules.source import Module

_SESSION = re.compile(r"(?i)(^|_)(session|conn|connection|db|uow|transaction|tx)\d*$")
_ENGINES = {
    "create_engine",
    "create_async_engine",
    "engine_from_config",
    "async_engine_from_config",
}
_ENGINES |= {"sessionmaker", "async_sessionmaker", "scoped_session", "async_scoped_session"}
_DRIVERS = {"sqlite3", "aiosqlite", "asyncpg", "psycopg", "psycopg2", "pymysql", "aiomysql"}
_DRIVERS |= {"redis", "aioredis", "pymongo", "motor", "databases", "peewee", "tortoise"}
_TAKES_SQL = {"text", "execute", "scalars", "scalar", "exec_driver_sql", "literal_column", "stream"}


def is_session(module: Module, node: ast.AST) -> bool:
    """Tell whether an expression is a database session, by its annotation or its name."""
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    if _SESSION.search(name):
        return True
    function = module.function_of(node)
    if isinstance(node, ast.Name) and function is not None:
        for one in [*function.args.args, *function.args.kwonlyargs]:
            if one.arg == node.id:
                return module.dotted(one.annotation).endswith((".Session", ".AsyncSession"))
    return False


def _commits(module: Module) -> Iterator[Sight]:
    for call in module.all(ast.Call):
        function = call.func
        if (
            isinstance(function, ast.Attribute)
            and function.attr in {"commit", "rollback", "begin"}
            and is_session(module, function.value)
        ):
            yield (
                call,
                f".{function.attr}() ends the unit of work early; raise a problem to undo it",
            )
    yield from _isolations(module)


def _isolations(module: Module) -> Iterator[Sight]:
    keywords = [(one, one.arg) for one in module.all(ast.keyword)]
    keys = [(key, getattr(key, "value", "")) for one in module.all(ast.Dict) for key in one.keys]
    for node, name in [*keywords, *keys]:
        if node is not None and name == "isolation_level":
            yield node, "isolation_level may commit each statement alone; leave it to the chassis"


def _engines(module: Module) -> Iterator[Sight]:
    instead = "take Session, or share(settings)['database'] and ['redis']"
    for call in module.all(ast.Call):
        name = module.dotted(call.func)
        last = module.last(call.func)
        if name.startswith("sqlalchemy.") and (last in _ENGINES or last == "AsyncSession"):
            yield call, f"{last}() opens a store of its own; {instead}"
        elif name.partition(".")[0] in _DRIVERS and "." in name and not last.endswith("Error"):
            yield call, f"{name}() opens a store of its own; {instead}"


def _made_of_strings(module: Module) -> Iterator[Sight]:
    if ".migrations." in f".{module.name}.":
        return
    for call in module.all(ast.Call):
        last = method(call) or module.last(call.func)
        if last in _TAKES_SQL and call.args and _built(module, call.args[0]):
            yield call, f"{last}() of a string made of parts; bind parameters"


def _built(module: Module, node: ast.expr) -> bool:
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mod, ast.Add)):
        return _is_text(node.left) or _is_text(node.right) or _built(module, node.left)
    if isinstance(node, ast.Call):
        return method(node) in {"format", "format_map"}
    if isinstance(node, ast.Name) and (function := module.function_of(node)) is not None:
        return any(_built(module, value) for value in _given(function, node.id))
    return False


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _given(function: ast.AST, name: str) -> Iterator[ast.expr]:
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and not isinstance(node.value, ast.Name):
            if name in assigned(node):
                yield node.value
        elif isinstance(node, ast.AugAssign) and getattr(node.target, "id", "") == name:
            yield ast.BinOp(ast.Constant(""), ast.Add(), node.value)


UNIT_OF_WORK = source_rule(
    "unit-of-work",
    says="A request is one unit of work, which the chassis commits before the answer.",
    why="A commit in the middle leaves half of a change behind when the rest fails.",
    instead="`await session.flush()` to see ids and violations; raise a problem to undo it all; "
    "`async with database.session()` where there is no request.",
    see=_commits,
)
ONE_ENGINE = source_rule(
    "one-engine",
    says="The stores are those of the chassis: one pool, one Redis client.",
    why="A second one has no limits, no timeouts, no metrics, and is not closed at the end.",
    instead="Take `Session` in a route; elsewhere `share(settings)['database']` or `['redis']`.",
    see=_engines,
)
NO_SQL_FROM_STRINGS = source_rule(
    "no-sql-from-strings",
    says="No SQL is put together from strings.",
    why="A value in the text of a statement is an injection, sooner or later.",
    instead="`select(Order).where(Order.id == id)`, or `text('… WHERE id = :id')` with parameters.",
    see=_made_of_strings,
)
