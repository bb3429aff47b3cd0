"""`chassis explain`: what a thing is, why it is so, and what may be done about it."""

from pathlib import Path
from typing import Annotated

import typer

from chassis_core.cli.services import AsJson, as_json


def explain(
    thing: Annotated[
        str,
        typer.Argument(
            help="A service, concern, setting, path, metric, status, alert, rule or promise;"
            " the platform without one."
        ),
    ] = "",
    *,
    json: AsJson = False,
    write: Annotated[
        bool, typer.Option("--write", help="Write the tables of the documents anew instead.")
    ] = False,
) -> None:
    """Explain a thing of this platform from its code: what it is, why, and who may change it."""
    from chassis_core.cli.explained import documents, index, page

    root = _root()
    if write:
        for written in documents.write(root) if root else ():
            typer.echo(f"written: {written}")
        return
    try:
        found = index.explain(thing, root)
    except index.Unknown as unknown:
        raise SystemExit(str(unknown)) from unknown
    typer.echo(as_json(found) if json else page.text(found))


def _root() -> Path | None:
    from chassis_core.contract import ContractError, find_root

    try:
        return find_root(Path.cwd())
    except ContractError:
        return None
