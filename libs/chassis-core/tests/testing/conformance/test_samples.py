"""What is made up for a schema is taken by the model that it was written from."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import pytest
from chassis_core.testing.conformance.patterns import matching
from chassis_core.testing.conformance.samples import Unmakeable, sample
from pydantic import AnyUrl, BaseModel, Field, SecretStr, TypeAdapter


class Colour(StrEnum):
    RED = "red"


class Part(BaseModel, extra="forbid"):
    sku: Annotated[str, Field(pattern=r"^[A-Z]{3}-\d{4,6}$")]
    parts: list[Self] = []


class Whole(BaseModel, extra="forbid"):
    parts: Annotated[list[Part], Field(min_length=2)]
    first: Part | None
    left_out: int = 3


class Endless(BaseModel):
    next: "Endless"


TAKEN = [
    str, int, float, bool, None, UUID, date, datetime, timedelta, Decimal, IPv4Address, AnyUrl,
    Colour, Whole, SecretStr, list[int], dict[str, int], tuple[int, str], int | None,
    Literal["one", 2],
    Annotated[str, Field(min_length=30)],
    Annotated[str, Field(max_length=3)],
    Annotated[str, Field(min_length=12, max_length=12, pattern=r"^[^\x00]*$")],
    Annotated[int, Field(gt=0)],
    Annotated[int, Field(lt=0)],
    Annotated[int, Field(ge=100, multiple_of=7)],
    Annotated[float, Field(gt=0, lt=1)],
    Annotated[Decimal, Field(gt=0, le=Decimal("0.5"))],
    Annotated[str, Field(json_schema_extra={"format": "email"})],
]  # fmt: skip
PATTERNS = [
    r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
    r"^[a-z0-9]+(?:-[a-z0-9]+)*$",
    r"^(red|green)$",
    r"^#[0-9a-f]{6}$",
    r"^ORD-\d{6}$",
    r"^\+[1-9]\d{7,14}$",
    r"^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$",
    r"^(?=.*\d)[a-z]\d+$",
    r"^\d{4}-\d{2}(-\d{2})?$",
    r"^[^\s@]+@[^\s@]+\.[^\s@]+$",
    r"^/(\w+/)+$",
    r"a|b",
]


@pytest.mark.parametrize("kind", TAKEN, ids=str)
def test_a_value_is_taken_by_the_type_that_wrote_the_schema(kind: Any):
    adapter = TypeAdapter(kind)
    schema = adapter.json_schema(ref_template="#/components/schemas/{model}")
    document = {"components": {"schemas": schema.get("$defs", {})}}
    adapter.validate_python(sample(document, schema), strict=False)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_text_matches_its_pattern(pattern: str):
    assert sample({}, {"type": "string", "pattern": pattern}) == matching(pattern, 0)


def test_an_example_is_taken_before_anything_is_made_up():
    odd = {"type": "string", "pattern": r"^(.)(.)\2\1$", "examples": ["abba"]}
    assert sample({}, odd) == "abba"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": r"^(.)(.)\2\1x$"},
        {"type": "string", "pattern": r"^a{3}$", "maxLength": 2},
        {"type": "integer", "minimum": 3, "maximum": 2},
    ],
)
def test_what_cannot_be_made_up_says_where_it_stands(schema: dict[str, Any]):
    body = {"type": "object", "required": ["part"], "properties": {"part": schema}}
    with pytest.raises(Unmakeable, match=r"^body\.part is a "):
        sample({}, body)


def test_what_has_no_end_is_given_up():
    schema = Endless.model_json_schema(ref_template="#/components/schemas/{model}")
    with pytest.raises(Unmakeable, match="has no end"):
        sample({"components": {"schemas": schema["$defs"]}}, schema)
