"""What a setting takes and what it is without one, in words."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

_NAMES = {"integer": "whole number", "number": "number", "boolean": "true or false"}
_BOUNDS = {
    "minimum": "{} or more",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {}",
}
SECRET = "**********"  # noqa: S105 - what stands for one


def taken(schema: Mapping[str, Any]) -> str:
    """Return which values a JSON schema takes, such as `whole number, 1 or more`."""
    if schema.keys() >= {"minimum", "maximum"}:
        return f"{_kind(schema)} from {schema['minimum']} to {schema['maximum']}"
    bounds = [words.format(schema[key]) for key, words in _BOUNDS.items() if key in schema]
    return ", ".join([_kind(schema), *bounds])


def _kind(schema: Mapping[str, Any]) -> str:
    if choices := schema.get("anyOf"):
        kinds = list(dict.fromkeys(taken(choice) for choice in choices))
        return (", or " if any("," in kind for kind in kinds) else " or ").join(kinds)
    if choices := schema.get("enum"):
        return f"one of {', '.join(map(str, choices))}"
    kind = schema.get("type")
    if kind == "array":
        return f"list of {taken(schema.get('items', {}))}"
    if kind == "object":
        return f"mapping of names to {taken(schema.get('additionalProperties', {}))}"
    if kind == "string":
        kind = schema.get("format", "text")
        return "secret" if kind == "password" else str(kind)
    return _NAMES.get(str(kind), str(kind or "section"))


def shown(value: Any) -> str:
    """Return a value as it is written in a variable; a secret as `**********`."""
    if value is PydanticUndefined:
        return "required"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, tuple | list | dict | set | frozenset):
        return ",".join(map(shown, value)) or "empty"
    text = value.pattern if isinstance(value, re.Pattern) else value
    return SECRET if isinstance(value, SecretStr) else str(text) or "empty"
