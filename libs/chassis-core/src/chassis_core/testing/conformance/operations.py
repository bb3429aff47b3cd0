"""What a service's OpenAPI document says that can be asked of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis_core.testing.conformance.samples import sample

JSON_TYPE = "application/json"
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_VALUES = {"integer": "1", "number": "1", "boolean": "true"}
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a document.

    Attributes:
        method: in upper case.
        path: the template.
        spec: the operation object.
        document: the whole document, for what it refers to.
    """

    method: str
    path: str
    spec: Mapping[str, Any]
    document: Document

    def __str__(self) -> str:
        """Return it as people say it: `POST /v1/orders`."""
        return f"{self.method} {self.path}"

    @property
    def url(self) -> str:
        """A path of it that is well formed and names nothing."""
        url = self.path
        for parameter in self._parameters("path"):
            url = url.replace(f"{{{parameter['name']}}}", _value(parameter.get("schema", {})))
        return url

    @property
    def headers(self) -> dict[str, str]:
        """The headers that it requires, with a value of some kind."""
        return {p["name"]: '"conformance"' for p in self._parameters("header") if p.get("required")}

    @property
    def query(self) -> dict[str, str]:
        """The query parameters that it requires, with a value of their type."""
        named = self._parameters("query")
        return {p["name"]: _value(p.get("schema", {})) for p in named if p.get("required")}

    @property
    def security(self) -> list[Mapping[str, list[str]]] | None:
        """The alternatives of its credentials; empty if it says that anyone may call it."""
        found: list[Mapping[str, list[str]]] | None = self.spec.get("security")
        return found

    @property
    def guarded(self) -> bool:
        """Whether nobody without a credential may call it."""
        return bool(self.security) and all(self.security or ())

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that a token needs for it."""
        needed = self.security or ()
        return tuple(s for one in needed for scopes in one.values() for s in scopes)

    @property
    def shared(self) -> bool:
        """Whether it says that it reaches what other callers made."""
        return bool(self.spec.get("x-shared"))

    def reads(self, media_type: str) -> bool:
        """Whether it takes a body of this type."""
        return media_type in self._bodies

    def schema(self, media_type: str) -> Mapping[str, Any]:
        """Return the schema of its body of this type."""
        found: Mapping[str, Any] = self._bodies.get(media_type, {}).get("schema", {})
        return found

    def schemas(self, media_type: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield each object of its body of this type, with the place where it stands."""
        yield from _objects(self.document, self.schema(media_type), "body", frozenset())

    def made_up_body(self) -> dict[str, Any]:
        """Return a JSON body that it takes, as the client takes it; nothing if it reads none.

        Raises:
            Unmakeable: no such body can be made up.
        """
        if not self.reads(JSON_TYPE):
            return {}
        return {"json": sample(self.document, self.schema(JSON_TYPE))}

    @property
    def _bodies(self) -> Mapping[str, Any]:
        bodies: Mapping[str, Any] = self.spec.get("requestBody", {}).get("content", {})
        return bodies

    def _parameters(self, place: str) -> list[Mapping[str, Any]]:
        return [p for p in self.spec.get("parameters", ()) if p.get("in") == place]


def operations_of(document: Document) -> list[Operation]:
    """Return the operations of a document, in its order."""
    return [
        Operation(method.upper(), path, spec, document)
        for path, methods in document.get("paths", {}).items()
        for method, spec in methods.items()
        if method in _METHODS
    ]


def _value(schema: Mapping[str, Any]) -> str:
    if schema.get("format") == "uuid":
        return str(UUID(int=0))
    return _VALUES.get(str(schema.get("type")), "conformance")


def _objects(
    document: Document, schema: Any, place: str, seen: frozenset[str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(schema, Mapping):
        return
    if (reference := schema.get("$ref")) is not None:
        if reference not in seen:
            target = document["components"]["schemas"][reference.rpartition("/")[2]]
            yield from _objects(document, target, place, seen | {reference})
        return
    if schema.get("type") == "object":
        yield place, schema
    for name, part in schema.get("properties", {}).items():
        yield from _objects(document, part, f"{place}.{name}", seen)
    inner = [schema.get("items"), schema.get("additionalProperties")]
    for part in (*inner, *(p for key in ("anyOf", "oneOf", "allOf") for p in schema.get(key, ()))):
        yield from _objects(document, part, place, seen)
