"""Values that fit a JSON schema, made up: enough for a body that a service takes."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import ceil
from operator import ge, gt, le, lt
from typing import Any

from chassis_core.testing.conformance.patterns import matching

Schema = Mapping[str, Any]
_TEXT = "conformance"
_FORMATS = {
    "uuid": "0198c0de-0000-7000-8000-000000000001",
    "date-time": "2030-01-02T03:04:05Z",
    "date": "2030-01-02",
    "time": "03:04:05Z",
    "duration": "P1D",
    "email": "conformance@example.org",
    "uri": "https://example.org/",
    "hostname": "example.org",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "base64": "Y29uZm9ybWFuY2U=",
}
_BOUNDS: dict[str, Callable[[float, float], bool]] = {
    "minimum": ge,
    "maximum": le,
    "exclusiveMinimum": gt,
    "exclusiveMaximum": lt,
}
_DEEPEST = 20


class Unmakeable(Exception):
    """No value can be made up; the text says of what, and why."""


def sample(document: Schema, schema: Schema, place: str = "body", depth: int = 0) -> Any:
    """Return a value that fits `schema`: its first example, or as little as it asks for.

    Args:
        document: to which its references refer.
        schema: of the value.
        place: of the value, for whoever reads that it cannot be made.
        depth: of the place.

    Raises:
        Unmakeable: it asks for more than is understood here.
    """
    if depth > _DEEPEST:
        raise Unmakeable(f"{place} has no end")
    schema = _whole(document, schema)
    fixed = [*schema.get("examples", ()), *schema.get("enum", ())]
    if fixed or "const" in schema:
        return fixed[0] if fixed else schema["const"]
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return _one_of(document, choices, place, depth + 1)
    return _made(document, schema, place, depth + 1)


def _made(document: Schema, schema: Schema, place: str, depth: int) -> Any:
    match _type(schema):
        case "object":
            properties = schema.get("properties", {})
            return {
                name: sample(document, properties.get(name, {}), f"{place}.{name}", depth)
                for name in schema.get("required", ())
            }
        case "array":
            items = [*schema.get("prefixItems", ())]
            items += [schema.get("items", {})] * (schema.get("minItems", 0) - len(items))
            return [sample(document, item, f"{place}[]", depth) for item in items]
        case "integer" | "number" as kind:
            return _number(schema, place, whole=kind == "integer")
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return _text(schema, place)


def _whole(document: Schema, schema: Schema) -> Schema:
    while reference := schema.get("$ref"):
        rest = {name: value for name, value in schema.items() if name != "$ref"}
        schema = {**document["components"]["schemas"][reference.rpartition("/")[2]], **rest}
    for part in schema.get("allOf", ()):
        schema = {**_whole(document, part), **schema}
    return schema


def _type(schema: Schema) -> str:
    types = schema.get("type") or ("object" if "properties" in schema else "string")
    return types if isinstance(types, str) else min(types, key=lambda one: one == "null")


def _one_of(document: Schema, choices: list[Schema], place: str, depth: int) -> Any:
    reasons = []
    for choice in sorted(choices, key=lambda one: one.get("type") == "null"):
        try:
            return sample(document, choice, place, depth)
        except Unmakeable as reason:
            reasons.append(str(reason))
    raise Unmakeable(reasons[0])


def _number(schema: Schema, place: str, *, whole: bool) -> float:
    step: float = schema.get("multipleOf", 1)
    ends: list[float] = [schema[name] for name in _BOUNDS if name in schema]
    tried = [1, 0, *(end + way for end in ends for way in (0, step, -step))]
    tried += [ceil(end / step) * step for end in [1, *ends]]
    tried += [sum(ends) / len(ends)] if ends and not whole else []
    for number in tried:
        within = all(_BOUNDS[name](number, schema[name]) for name in _BOUNDS if name in schema)
        if within and ("multipleOf" not in schema or number % step == 0):
            return int(number) if whole else number
    raise Unmakeable(f"{place} is a number of which none was found")


def _text(schema: Schema, place: str) -> str:
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    pattern = schema.get("pattern")
    text = _FORMATS.get(schema.get("format", ""), _TEXT.ljust(least, "-")[:most])
    found = text if pattern is None else _matching(pattern, least)
    if found is None or len(found) < least or (most is not None and len(found) > most):
        raise Unmakeable(f"{place} is a text for which none was found")
    return found


def _matching(pattern: str, least: int) -> str | None:
    # A pattern of another dialect than Python's, or one that is not simple, has none.
    with suppress(re.error):
        text = matching(pattern, least)
        return text if re.search(pattern, text) else None
    return None
