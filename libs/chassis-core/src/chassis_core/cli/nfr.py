"""`chassis nfr`: the quality attributes, who carries each, and what proves it."""

import json
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from chassis_core.cli.explained.attributes import Attribute

WIDTH = 100
"""Columns of the text; the name of a proof is never broken, so that it can be copied."""


def nfr(
    *, as_json: Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")] = False
) -> None:
    """Say of each quality attribute who carries it, what proves it, and what nothing proves yet."""
    from chassis_core.cli.explained.attributes import attributes, row

    found = attributes()
    if as_json:
        typer.echo(json.dumps([row(one) for one in found], indent=2, ensure_ascii=False))
        return
    for one in found:
        typer.echo("\n".join([*_lines(one), ""]))
    lacking = sum(bool(one.lacking) for one in found)
    typer.echo(f"{len(found)} attributes, {lacking} of them not proved in full")


def _lines(one: "Attribute") -> Iterator[str]:
    yield f"{one.name} ({one.group})"
    yield from _told("bar", one.bar)
    yield from _told("carried by", ", ".join(one.carried_by))
    for number, proof in enumerate(one.proofs):
        yield f"  {'' if number else 'proofs':12}{proof}"
    if one.lacking:
        yield from _told("no proof", f"yet: {one.lacking}")


def _told(name: str, text: str) -> list[str]:
    first, later = f"  {name:12}", " " * 14
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=later)
