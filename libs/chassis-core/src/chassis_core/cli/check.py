"""`chassis check`: hold the services, and a change, to the contract."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from chassis_core.contract import Finding


def check(
    services: Annotated[
        list[str] | None, typer.Argument(help="Services to look at; all by default.")
    ] = None,
    *,
    since: Annotated[
        str, typer.Option(help="Look at what has changed since this commit, too.")
    ] = "",
    path: Annotated[str, typer.Option(help="Only say whether this file may be edited.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")] = False,
) -> None:
    """Say every place that breaks the contract, and what belongs there; 1 if there is one."""
    from chassis_core.contract import ContractError

    try:
        done = _decide(path, as_json) if path else _check(services or [], since, as_json)
    except ContractError as error:
        typer.echo(f"chassis check: {error}", err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(0 if done else 1)


def _check(services: list[str], since: str, as_json: bool) -> bool:
    from chassis_core.contract import find_root
    from chassis_core.contract.checking import check as look

    found = look(find_root(Path.cwd()), services, since=since)
    typer.echo(json.dumps([asdict(one) for one in found], indent=2) if as_json else _text(found))
    return not found


def _text(found: "list[Finding]") -> str:
    count = f"{len(found)} finding{'' if len(found) == 1 else 's'}"
    return "\n".join([*map(str, found), count])


def _decide(path: str, as_json: bool) -> bool:
    from chassis_core.contract import find_root
    from chassis_core.contract.decision import decide

    decision = decide(find_root(Path.cwd()), Path(path))
    typer.echo(json.dumps(asdict(decision)) if as_json else str(decision))
    return decision.allowed
