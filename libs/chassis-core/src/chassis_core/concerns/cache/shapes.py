"""How values become bytes, and which bytes are whose."""

import hashlib
from typing import Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema

LONGEST_KEY = 200


class Shapes:
    """The adapter of each type, and the hash of its schema.

    The hash is part of every key: a deployment with another schema never reads the old bytes.
    """

    def __init__(self) -> None:
        self._adapters: dict[Any, tuple[TypeAdapter[Any], str]] = {}

    def of(self, kind: Any) -> tuple[TypeAdapter[Any], str]:
        """Return the adapter and the schema's hash of a type."""
        if kind not in self._adapters:
            adapter: TypeAdapter[Any] = TypeAdapter(kind)
            try:
                schema = str(adapter.json_schema())
            except PydanticInvalidForJsonSchema:
                schema = repr(kind)
            digest = hashlib.blake2b(schema.encode(), digest_size=6).hexdigest()
            self._adapters[kind] = (adapter, digest)
        return self._adapters[kind]


def short(key: str) -> str:
    """Return the key, or the hash of one that is long."""
    if len(key) <= LONGEST_KEY:
        return key
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=32).hexdigest()
