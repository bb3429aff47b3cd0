"""`chassis nfr`: the quality attributes, who carries each, and what proves it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from chassis_core.cli.services import AsJson, as_json

if TYPE_CHECKING:
    from chassis_core.cli.explained.attributes import Attribute


def nfr(*, json: AsJson = False) -> None:
    """Say of each quality attribute who carries it, what proves it, and what nothing proves yet."""
    from chassis_core.cli.explained.attributes import attributes, row

    found = attributes()
    if json:
        typer.echo(as_json([row(one) for one in found]))
        return
    for one in found:
        typer.echo("\n".join([*_lines(one), ""]))
    lacking = sum(bool(one.lacking) for one in found)
    typer.echo(f"{len(found)} attributes, {lacking} of them not proved in full")


def _lines(one: "Attribute") -> Iterator[str]:
    from chassis_core.cli.explained.page import said

    yield f"{one.name} ({one.group})"
    yield from said("bar", one.bar)
    yield from said("carried by", ", ".join(one.carried_by))
    for number, proof in enumerate(one.proofs):  # never broken, so that it can be copied
        yield f"{'' if number else 'proofs:':12}{proof}"
    if one.lacking:
        yield from said("lacking", one.lacking)
