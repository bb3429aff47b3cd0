"""What callers make: the operations that make a thing of a kind, and those that reach it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chassis_core.testing.conformance.operations import Operation

_METHODS = {"GET", "PUT", "PATCH", "POST", "DELETE"}


@dataclass(frozen=True, slots=True)
class Kind:
    """Things of one kind.

    Attributes:
        making: the POST that makes one.
        reaching: the operations on one, which only its owner may use.
        listing: the operation that lists the caller's own, if there is one.
        reading: the operation that returns one, whoever may.
    """

    making: Operation
    reaching: Sequence[Operation]
    listing: Operation | None
    reading: Operation | None


def kinds_of(operations: Sequence[Operation]) -> Iterator[Kind]:
    """Yield the kinds of things that callers make and reach, those above before those below."""
    making = [
        one
        for one in operations
        if one.method == "POST" and one.guarded and "201" in one.spec.get("responses", {})
    ]
    gets = [one for one in operations if one.method == "GET"]
    for post in sorted(making, key=lambda one: one.path.count("/")):
        within = [one for one in making if _is_below(one, post)]
        found = Kind(
            post,
            [
                one
                for one in operations
                if owned(one)
                and _is_below(one, post)
                # What is made within a thing is asked about when one of it is there.
                and not any(_is_below(one, inner) for inner in within)
            ],
            next((one for one in gets if one.path == post.path and owned(one)), None),
            next((one for one in gets if _is_item(one, post)), None),
        )
        if found.reaching or found.listing:
            yield found


def owned(operation: Operation) -> bool:
    """Return whether a caller may reach by it only what is the caller's own."""
    return operation.method in _METHODS and operation.guarded and not operation.shared


def _is_below(operation: Operation, making: Operation) -> bool:
    return operation.path.startswith(f"{making.path}/{{")


def _is_item(operation: Operation, making: Operation) -> bool:
    return re.fullmatch(rf"{re.escape(making.path)}/\{{[^{{}}]+\}}", operation.path) is not None
