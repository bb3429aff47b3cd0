"""`chassis verify`: ask an installed service for everything that the chassis promises of it."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from chassis_core.cli.services import AsJson, ServiceName, as_json
from chassis_core.installed import factory

if TYPE_CHECKING:
    from chassis_core.testing.conformance import Verdict

_MARKS = {"kept": "✓", "broken": "✗", "does not apply": "\N{EN DASH}"}


def verify(
    service: ServiceName,
    *,
    replaces: Annotated[
        list[str] | None, typer.Option(help="A standard concern that it replaces on purpose.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="A promise to ask about, in place of all.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Ask a service about every promise of the chassis, as in production but with no network.

    Exits with 1 if one is broken.
    """
    verdicts = asyncio.run(_asked(service, replaces or [], only or []))
    typer.echo(as_json(_rows(verdicts)) if json else _report(service, verdicts))
    if any(verdict.outcome == "broken" for verdict in verdicts):
        raise SystemExit(1)


async def _asked(service: str, replaces: list[str], only: list[str]) -> "list[Verdict]":
    from chassis_core.contract.rules.composition import STANDARD
    from chassis_core.testing.conformance import PROMISES, ask, examining

    if unknown := sorted({*only} - {promise.name for promise in PROMISES}):
        raise SystemExit(f"no promise is called {', '.join(unknown)}; `--json` names them all")
    if unknown := sorted({*replaces} - STANDARD):
        raise SystemExit(f"no standard concern is called {', '.join(unknown)}")
    asked = [promise for promise in PROMISES if not only or promise.name in only]
    async with examining(factory(service), replaces=replaces) as subject:
        return [await ask(promise, subject) for promise in asked]


def _report(service: str, verdicts: "list[Verdict]") -> str:
    lines = []
    for verdict in verdicts:
        reason = f": {verdict.text}" if verdict.outcome == "does not apply" else ""
        lines.append(f"{_MARKS[verdict.outcome]} {verdict.promise.name}{reason}")
    for verdict in verdicts:
        if verdict.outcome == "broken":
            promise = verdict.promise
            lines += ["", f"✗ {promise.name}: {promise.says}", f"  {verdict.text}"]
            lines.append(f"  Why: {promise.why}")
    kept = sum(verdict.outcome == "kept" for verdict in verdicts)
    broken = sum(verdict.outcome == "broken" for verdict in verdicts)
    left = len(verdicts) - kept - broken
    return "\n".join([*lines, "", f"{service}: {kept} kept, {broken} broken, {left} do not apply"])


def _rows(verdicts: "list[Verdict]") -> list[dict[str, str]]:
    return [
        {"promise": v.promise.name, "says": v.promise.says, "outcome": v.outcome, "text": v.text}
        for v in verdicts
    ]
