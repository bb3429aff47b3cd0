"""The platform on one screen."""

import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

import typer

from chassis_core.cli.explained import concerns, installed, paths
from chassis_core.cli.explained.page import Page, Row
from chassis_core.contract import FILE, Contract, load


def page(root: Path | None) -> Page:
    """Explain the platform below `root`, or what can be told without one."""
    contract = load(root) if root else None
    placed = concerns.layers()
    return {
        "kind": "platform",
        "name": root.name if root else f"without {FILE}: its ports and zones are not known here",
        "more": "chassis explain THING: a service, concern, setting, path, metric, status, alert",
        "services": _services(contract),
        "layers, outermost first": [
            {"layer": layer, "concern": owner or "-", "says": _line(owner)}
            for layer, owner in placed.items()
        ],
        "concerns without a layer": [
            {"concern": name, "says": _line(name)}
            for name in concerns.standard()
            if name not in placed.values()
        ],
        "commands": [{**row, "does": _short(row["does"], 76)} for row in commands()],
        "zones": [
            {"zone": row["zone"], "means": f"{row['means']}: {row['patterns']}"}
            for row in (paths.rows(contract) if contract else [])
        ],
    }


def commands() -> list[Row]:
    """Return the commands of `chassis`, each with its first sentence."""
    from chassis_core.cli import app

    return list(_commands(app, "chassis"))


def _commands(app: typer.Typer, before: str) -> Iterator[Row]:
    for one in app.registered_commands:
        name = one.name or getattr(one.callback, "__name__", "").replace("_", "-")
        does = " ".join(inspect.cleandoc(one.callback.__doc__ or "").partition("\n\n")[0].split())
        yield {"command": f"{before} {name}", "does": does}
    for group in app.registered_groups:
        if group.typer_instance:
            yield from _commands(group.typer_instance, f"{before} {group.name}")


def _line(concern: str) -> str:
    says = concerns.summary(concern) if concern else "what a service adds"
    return _short(says.removeprefix(f"{concern}: "), 60)


def _short(says: str, width: int) -> str:
    return textwrap.shorten(says, width, placeholder=" …")


def _services(contract: Contract | None) -> list[Row]:
    there = installed.services()
    members = contract.services if contract else {}
    return [
        {
            "service": name,
            "public": str(members[name].port) if name in members else "-",
            "admin": str(members[name].admin_port) if name in members else "-",
            "installed": "installed" if name in there else "not installed here",
        }
        for name in {**members, **there}
    ]
