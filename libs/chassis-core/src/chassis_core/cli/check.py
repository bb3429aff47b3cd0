"""`chassis check`: hold the services, and a change, to the contract."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chassis_core.cli.services import AsJson, as_json

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
    json: AsJson = False,
) -> None:
    """Say every place that breaks the contract, and what belongs there; 1 if there is one."""
    from chassis_core.contract import ContractError

    try:
        done = _decide(path, json) if path else _check(services or [], since, json)
    except ContractError as error:
        typer.echo(f"chassis check: {error}", err=True)
        raise SystemExit(2) from None
    raise SystemExit(0 if done else 1)


def _check(services: list[str], since: str, json: bool) -> bool:
    from chassis_core.contract import find_root
    from chassis_core.contract.checking import check as look

    found = look(find_root(Path.cwd()), services, since=since)
    typer.echo(as_json([asdict(one) for one in found]) if json else _text(found))
    return not found


def _text(found: "list[Finding]") -> str:
    count = f"{len(found)} finding{'' if len(found) == 1 else 's'}"
    return "\n".join([*map(str, found), count])


def _decide(path: str, json: bool) -> bool:
    from chassis_core.contract import find_root
    from chassis_core.contract.decision import decide

    decision = decide(find_root(Path.cwd()), Path(path))
    typer.echo(as_json(asdict(decision)) if json else str(decision))
    return decision.allowed
