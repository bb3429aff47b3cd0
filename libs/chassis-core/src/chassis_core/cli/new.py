"""`chassis new service`: a service that runs, is tested, deployed and observed as it stands."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chassis_core.contract import ContractError, find_root

if TYPE_CHECKING:
    from chassis_core.cli.scaffold import Plan

new = typer.Typer(no_args_is_help=True, help="Make something new, such as a service.")


@new.command()
def service(
    name: Annotated[str, typer.Argument(help="Its name: a-z, 0-9 and -, such as payments.")],
    *,
    port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Port of its public listener.")
    ] = None,
    admin_port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Port of its admin listener.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it writes.")] = False,
) -> None:
    """Make a service, and enter it wherever services are named."""
    from chassis_core.cli.scaffold import Refused, planned, steps

    try:
        root = find_root(Path.cwd())
        plan = planned(root, name, port=port, admin_port=admin_port)
        wanted = [] if dry_run else steps.steps(root)
        if not dry_run:
            plan.write()
        _tell(plan, dry_run=dry_run)
        steps.run(root, wanted)
    except (ContractError, Refused, steps.Unfinished) as error:
        raise SystemExit(f"{name}: {error}") from None
    if not dry_run:
        typer.echo(_next(plan, name))


def _tell(plan: "Plan", *, dry_run: bool) -> None:
    would = "would " if dry_run else ""
    for path in plan.made:
        typer.echo(f"{would}make {path}")
    for path in plan.edited:
        typer.echo(f"{would}edit {path}")


def _next(plan: "Plan", name: str) -> str:
    member = plan.contract.services[name]
    return f"""\
{name} is a service, on port {member.port} and admin port {member.admin_port}. Next:
  ./dev test services/{name}
  ./dev check
  ./dev up"""
