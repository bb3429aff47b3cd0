"""Preconditions: entity tags, and the conditions that clients make with them (RFC 9110 §13)."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header
from starlette.requests import Request

from chassis_core.problem import BadRequest, PreconditionFailed, PreconditionRequired

_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_LIST = re.compile(rf"[ \t,]*{_TAG.pattern}(?:[ \t]*(?:,[ \t]*)+{_TAG.pattern})*[ \t,]*")

IF_MATCH: dict[str, Any] = {
    "parameters": [
        {
            "name": "If-Match",
            "in": "header",
            "required": True,
            "description": "The `ETag` of the version that the change is meant for.",
            "schema": {"type": "string", "pattern": r'^("[!#-~]+"|\*)$'},
        }
    ]
}
"""For `openapi_extra` of a route that takes an `IfMatch`: the header that it needs."""


def etag(*parts: object) -> str:
    """Return the strong entity tag of a version, made of what tells it from every other."""
    return '"' + "-".join(str(part) for part in parts) + '"'


@dataclass(frozen=True, slots=True)
class Condition:
    """The entity tags that a client names, each with whether it is weak; None for `*`."""

    tags: tuple[tuple[bool, str], ...] | None

    def require(self, current: str) -> None:
        """Refuse the request unless it is meant for the `current` version; a weak tag never is.

        Raises:
            PreconditionFailed: it is meant for another version.
        """
        if self.tags is not None and (False, current) not in self.tags:
            raise PreconditionFailed("it has changed since; read it again, then decide")

    def holds(self, current: str) -> bool:
        """Return whether the client has the `current` version, weakly compared."""
        return self.tags is None or any(tag == current for _, tag in self.tags)


_NOTHING = Condition(())


async def if_match(request: Request) -> Condition:
    """Return the version that a change is meant for.

    Raises:
        PreconditionRequired: there is no `If-Match` (RFC 6585 §3).
        BadRequest: it is not a list of entity tags.
    """
    if not (value := _joined(request, "if-match")):
        raise PreconditionRequired("say which version is meant: If-Match with the ETag of a GET")
    if value != "*" and not _LIST.fullmatch(value):
        raise BadRequest('If-Match is not a list of entity tags such as "3f-2"')
    return _condition(value)


async def if_none_match(
    request: Request,
    _: Annotated[str | None, Header(alias="If-None-Match", description="An `ETag`.")] = None,
) -> Condition:
    """Return the versions that the client has already; what cannot be read counts as none."""
    value = _joined(request, "if-none-match")
    return _condition(value) if value == "*" or _LIST.fullmatch(value) else _NOTHING


IfMatch = Annotated[Condition, Depends(if_match)]
"""The condition of a change, which must have one: `condition.require(current)`."""

IfNoneMatch = Annotated[Condition, Depends(if_none_match)]
"""The condition of a read: answer 304 if `condition.holds(current)`."""


def _condition(value: str) -> Condition:
    tags = tuple((weak != "", tag) for weak, tag in _TAG.findall(value))
    return Condition(None if value == "*" else tags)


def _joined(request: Request, header: str) -> str:
    return ", ".join(request.headers.getlist(header)).strip()
