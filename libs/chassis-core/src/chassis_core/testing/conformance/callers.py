"""Two callers with equal scopes: the owner of what is made, and another."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2

from chassis_core.testing.conformance.operations import Operation
from chassis_core.testing.conformance.samples import Unmakeable
from chassis_core.testing.conformance.subject import Running, Subject
from chassis_core.testing.conformance.things import Kind

OWNER, OTHER = "conformance-owner", "conformance-other"
_LONG = 16
"""Characters of an id that stand for no other thing, nor for a number of something else."""
_PARAMETER = re.compile(r"\{([^{}]+)\}")


class Unasked(Exception):
    """Something could not be asked about; the text says what, and why."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing, made by `OWNER`.

    Attributes:
        kind: of thing.
        collection: the URL that it was made at.
        id: the last segment of its URL.
        tag: its entity tag, if it has one.
        seen: what its owner read of it; None if nothing, or each time something else.
    """

    kind: Kind
    collection: str
    id: str
    tag: str = ""
    seen: str | None = None

    @property
    def is_unique(self) -> bool:
        """Whether its id names nothing else, as a number may."""
        return len(self.id) >= _LONG

    def stands_in(self, answer: httpx2.Response) -> bool:
        """Return whether an answer has it."""
        if self.is_unique or "json" not in answer.headers.get("content-type", ""):
            return self.is_unique and self.id in answer.text
        above = self.kind.making.path
        below = [operation.path.removeprefix(above) for operation in self.kind.reaching]
        names = {"id", *(name for path in below for name in _PARAMETER.findall(path)[:1])}
        return any(str(value) == self.id for name, value in _fields(answer.json()) if name in names)


@dataclass(frozen=True, slots=True)
class Callers:
    """The owner and another caller, with equal scopes, of one running service."""

    subject: Subject
    service: Running
    things: list[Thing] = field(default_factory=list)

    async def make(self, kind: Kind) -> None:
        """Let the owner make a thing.

        Raises:
            Unasked: it cannot be made.
        """
        collection = self._placed(kind.making)
        answer = await self.send(OWNER, kind.making, collection)
        if answer.status_code != 201:
            raise Unasked(
                f"{kind.making} answers a body that was made up {answer.status_code}, not 201: "
                f"{answer.text[:300]}"
            )
        tag = answer.headers.get("etag", "")
        self.things.append(Thing(kind, collection, _id(answer, collection), tag))

    async def read(self, thing: Thing) -> Thing:
        """Return a thing with what its owner sees of it."""
        reading = thing.kind.reading
        if reading is None:
            return thing
        first, second = [await self.reach(OWNER, reading, thing) for _ in range(2)]
        seen = first.text if first.status_code == 200 and first.text == second.text else None
        return replace(thing, tag=first.headers.get("etag", thing.tag), seen=seen)

    async def reach(
        self, caller: str, operation: Operation, thing: Thing, thing_id: str = ""
    ) -> httpx2.Response:
        """Let a caller use an operation on a thing, or on another of its kind."""
        below = operation.path.removeprefix(thing.kind.making.path)
        url = thing.collection + _PARAMETER.sub(thing_id or thing.id, below, count=1)
        return await self.send(caller, operation, url, tag=thing.tag)

    async def send(
        self, caller: str, operation: Operation, path: str, *, tag: str = ""
    ) -> httpx2.Response:
        """Send a request of an operation, with a body that is made up.

        Raises:
            Unasked: no body can be made up.
        """
        matching = [name for name in operation.headers if tag and name.lower() == "if-match"]
        token = self.subject.token(*operation.scopes, caller=caller)
        try:
            body = operation.made_up_body()
        except Unmakeable as reason:
            raise Unasked(f"{operation}: {reason}; give it examples") from reason
        headers = {**dict.fromkeys(matching, tag), **token}
        return await self.service.send(replace(operation, path=path), headers, **body)

    def _placed(self, making: Operation) -> str:
        for parent in reversed(self.things):
            above = parent.kind.making.path
            if making.path.startswith(f"{above}/{{"):
                below = making.path.removeprefix(above)
                return parent.collection + _PARAMETER.sub(parent.id, below, count=1)
        if "{" in making.path:
            raise Unasked(f"{making} makes something within what no POST makes")
        return making.path


def _id(answer: httpx2.Response, collection: str) -> str:
    location = httpx2.URL(answer.headers.get("location", "")).path
    if location.startswith(f"{collection}/"):
        return location.removeprefix(f"{collection}/").partition("/")[0]
    body = answer.json() if answer.content else {}
    if isinstance(body, Mapping) and isinstance(body.get("id"), str | int):
        return str(body["id"])
    raise Unasked(f"what is made at {collection} has no Location and no id")


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
        value = [*value.values()]
    for part in value if isinstance(value, list) else ():
        yield from _fields(part)
