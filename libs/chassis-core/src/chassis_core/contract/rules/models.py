"""Rules on models: strict about what comes in, exact about money, clear about time."""

import ast
import re
from collections.abc import Iterator

from chassis_core.contract.rules.making import Located, Sight, service_rule, source_rule
from chassis_core.contract.rules.nodes import assigned, keyword
from chassis_core.contract.rules.routing import routes
from chassis_core.contract.rules.source import Module, Source, class_bases

_MONEY = re.compile(
    r"(?i)(^|_)(price|amount|total|subtotal|fee|balance|money|salary|payment|refund|cost)"
    r"(_(minor|net|gross|due|paid|eur|usd|gbp))?$"
)
_INEXACT = {"Float", "REAL", "Double", "DOUBLE", "DOUBLE_PRECISION"}
_NAIVE = {"utcnow", "utcfromtimestamp"}
_NEEDS_ZONE = {"now": 1, "fromtimestamp": 2}
_NOT_BODIES = {"Form", "Query", "Path", "Header", "Cookie", "File", "Depends", "Security"}


def _loose(source: Source) -> Iterator[Located]:
    seen: set[ast.AST] = set()
    for route in routes(source):
        if route.function is not None:
            arguments = [*route.function.args.args, *route.function.args.kwonlyargs]
            for argument in arguments:
                yield from _checked(source, route.home, argument.annotation, seen)
    for module in source.modules.values():
        for cls in module.all(ast.ClassDef):
            if _extra(cls) == "allow":
                yield module, cls, f"{cls.name} keeps whatever is sent; extra must not be 'allow'"


def _checked(
    source: Source, module: Module, annotation: ast.AST | None, seen: set[ast.AST]
) -> Iterator[Located]:
    nodes = ast.walk(annotation) if annotation is not None else ()
    named = [n for n in nodes if isinstance(n, (ast.Name, ast.Attribute))]
    if _NOT_BODIES.intersection(map(module.last, named)):
        return
    for name in filter(None, map(module.dotted, named)):
        found = source.definition(name)
        if found is None or found[1] in seen:
            continue
        seen.add(found[1])
        if isinstance(found[1], ast.ClassDef):
            yield from _model(source, found[0], found[1], seen)
        elif isinstance(found[1], (ast.Assign, ast.AnnAssign)):
            yield from _checked(source, found[0], found[1].value, seen)


def _model(
    source: Source, module: Module, cls: ast.ClassDef, seen: set[ast.AST]
) -> Iterator[Located]:
    bases = list(class_bases(source, module, cls))
    if "pydantic.BaseModel" not in bases:
        return
    lineage = [cls, *_ancestors(source, bases)]
    if not any(_extra(one) == "forbid" for one in lineage):
        yield module, cls, f"{cls.name} ignores misspelt fields; ConfigDict(extra='forbid')"
    for field in cls.body:
        if isinstance(field, ast.AnnAssign):
            yield from _checked(source, module, field.annotation, seen)


def _ancestors(source: Source, bases: list[str]) -> Iterator[ast.ClassDef]:
    for name in bases:
        found = source.definition(name)
        if found and isinstance(found[1], ast.ClassDef):
            yield found[1]


def _extra(cls: ast.ClassDef) -> str:
    values = [keyword(cls, "extra")]
    for statement in cls.body:
        value = getattr(statement, "value", None) if "model_config" in assigned(statement) else None
        if isinstance(value, ast.Call):
            values.append(keyword(value, "extra"))
        elif isinstance(value, ast.Dict):
            pairs = zip(value.keys, value.values, strict=True)
            values += [v for k, v in pairs if getattr(k, "value", "") == "extra"]
    return next((str(v.value) for v in values if isinstance(v, ast.Constant)), "")


def _money(module: Module) -> Iterator[Sight]:
    for field in module.all(ast.AnnAssign):
        name = getattr(field.target, "id", "")
        words = {n.id for n in ast.walk(field.annotation) if isinstance(n, ast.Name)}
        if _MONEY.search(name) and "float" in words:
            yield field, f"{name} is a float, which loses cents; count minor units in an int"
    for call in module.all(ast.Call):
        is_column = module.last(call.func) in {"Column", "column", "mapped_column"}
        if is_column and _names_money(module, call) and _is_inexact(module, call):
            yield call, "money in a column of floats loses cents; use BigInteger"


def _is_inexact(module: Module, call: ast.Call) -> bool:
    return not _INEXACT.isdisjoint(map(module.last, ast.walk(call)))


def _names_money(module: Module, call: ast.Call) -> bool:
    first = call.args[0] if call.args else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        return bool(_MONEY.search(first.value))
    return any(_MONEY.search(name) for name in assigned(module.parents[call]))


def _naive(module: Module) -> Iterator[Sight]:
    for call in module.all(ast.Call):
        owner, _, last = module.dotted(call.func).rpartition(".")
        if owner in {"datetime.datetime", "datetime.date"} and _has_no_zone(call, last):
            yield call, f"{last}() has no time zone; use chassis_core.moments.now()"
    for name in [*module.all(ast.Name), *module.all(ast.Attribute)]:
        package, _, last = module.dotted(name).rpartition(".")
        is_column = package.startswith("sqlalchemy") and last in {"DateTime", "TIMESTAMP"}
        if is_column and not _is_zoned(module.parents[name], name):
            yield name, f"{last} without timezone=True; use Moment of chassis_core.moments"


def _has_no_zone(call: ast.Call, last: str) -> bool:
    if last in _NEEDS_ZONE:
        return len(call.args) < _NEEDS_ZONE[last] and keyword(call, "tz") is None
    return last in _NAIVE or last == "today"


def _is_zoned(outer: ast.AST, name: ast.AST) -> bool:
    if not isinstance(outer, ast.Call) or outer.func is not name:
        return isinstance(outer, (ast.Attribute, ast.alias))
    first = [*outer.args, keyword(outer, "timezone")]
    return any(isinstance(value, ast.Constant) and value.value is True for value in first)


STRICT_REQUESTS = service_rule(
    "strict-requests",
    says="The model of a JSON body refuses fields that it does not know.",
    why="A misspelt optional field is otherwise taken for a missing one, and nobody is told.",
    instead="`model_config = ConfigDict(frozen=True, extra='forbid')`.",
    see=_loose,
)
MONEY_IS_WHOLE = source_rule(
    "money-is-whole",
    says="Money is an integer of the currency's minor unit.",
    why="0.1 + 0.2 is not 0.3 in floats, and books must balance.",
    instead="`total_minor: int`, a `BigInteger` column, and an ISO 4217 code beside it.",
    see=_money,
)
MOMENTS_HAVE_ZONES = source_rule(
    "moments-have-zones",
    says="Every moment is in UTC, and says so.",
    why="A naive time means something else in each process that reads it.",
    instead="`chassis_core.moments.now()`, the column type `Moment`, `DateTime(timezone=True)`.",
    see=_naive,
)
