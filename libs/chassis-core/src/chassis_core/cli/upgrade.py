"""`chassis upgrade`: bring services to what the templates of this version make."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chassis_core.contract import Contract, ContractError, find_root, load

if TYPE_CHECKING:
    from chassis_core.cli.scaffold.renewal import Change


def upgrade(
    service: Annotated[str, typer.Argument(help="Only this one; without it, each.")] = "",
    *,
    check: Annotated[bool, typer.Option("--check", help="Only say what would change.")] = False,
    show: Annotated[str, typer.Option(help="Only print this file as it would be made now.")] = "",
) -> None:
    """Renew the files that `chassis new` made and nobody has edited; name the others."""
    from chassis_core.cli.scaffold import Refused, record

    try:
        root = find_root(Path.cwd())
        contract = load(root)
        names = [name for name in record.read(root) if name in contract.services]
    except (ContractError, Refused) as error:
        raise SystemExit(str(error)) from None
    if service and service not in names:
        raise SystemExit(f"{service}: {record.LOCK} names no such service of {root}")
    names = [service] if service else names
    if show:
        typer.echo(_shown(contract, names, show), nl=False)
    elif check:
        raise SystemExit(1 if _stale(root, contract, names) else 0)
    else:
        _renew(root, contract, names)


def _shown(contract: Contract, names: list[str], path: str) -> str:
    from chassis_core.cli.scaffold.rendering import rendered

    for name in names:
        if text := rendered(contract, name).get(path):
            return text
    raise SystemExit(f"{path}: no template makes this file")


def _stale(root: Path, contract: Contract, names: list[str]) -> list["Change"]:
    from chassis_core.cli.scaffold import record
    from chassis_core.cli.scaffold.renewal import changes

    known = record.read(root)
    found = [one for name in names for one in changes(root, contract, name, known[name])]
    for change in found:
        typer.echo(f"stale: {change.path} ({change.kind})")
    return found


def _renew(root: Path, contract: Contract, names: list[str]) -> None:
    from chassis_core.cli.scaffold import record, steps
    from chassis_core.cli.scaffold.renewal import changes, renew

    known = record.read(root)
    found = {name: changes(root, contract, name, known[name]) for name in names}
    try:
        for name, of_service in found.items():
            renew(root, contract, name, of_service)
            for change in of_service:  # at once: what is recorded as told is told no more
                typer.echo(_line(change))
        steps.run(root, [steps.manifests()] if any(found.values()) else [])
    except (OSError, steps.Unfinished) as error:
        raise SystemExit(str(error)) from None


def _line(change: "Change") -> str:
    path = change.path
    if change.kind == "edited":
        return f"left {path}, which is edited: chassis upgrade --show {path} | diff {path} -"
    return f"wrote {path}"
