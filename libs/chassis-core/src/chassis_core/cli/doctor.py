"""`chassis doctor`: what is wrong with what a service needs, and what to do about it."""

import asyncio
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Annotated

import typer

from chassis_core.cli.services import AdminPort, AsJson, Host, Port, ServiceName, as_json, listening

if TYPE_CHECKING:
    from chassis_core.cli.examined import Examined

_MARKS = {"ok": "✓", "warning": "!", "wrong": "✗"}
_LONGEST = 15
"""How many times as long as one answer the whole may take, even if a check blocks the loop."""


def doctor(
    service: ServiceName,
    *,
    host: Host = None,
    port: Port = None,
    admin_port: AdminPort = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds to wait for each thing that is asked.")
    ] = 2.0,
    json: AsJson = False,
) -> None:
    """Name each thing that is wrong with what a service needs, and its fix; 1 if there is one.

    Run it where the service is, or would be, with the ports that it was given: it reads the same
    environment, and changes nothing.
    """
    from chassis_core.server.hard_stop import LAST_BREATH, HardStop

    said = {"host": host, "port": port, "admin_port": admin_port}
    # The loop's own end waits for a resolver that hangs, and a check may block the loop.
    within = _at_most(_LONGEST * timeout, service)
    with within, HardStop() as end, _quiet(), asyncio.Runner() as runner:
        rows = runner.run(_rows(service, said, timeout))
        typer.echo(as_json(rows) if json else _report(service, rows))
        code = 1 if any(row["status"] == "wrong" for row in rows) else 0
        end.within(LAST_BREATH, code)
    raise SystemExit(code)


async def _rows(service: str, said: Mapping[str, object], timeout: float) -> list[dict[str, str]]:
    from chassis_core.cli.examined import Examined
    from chassis_core.cli.examined.service import assembled, examine

    app = assembled(service)
    if isinstance(app, Examined):
        return list(_rows_of(app))
    found = await examine(app, listening(app.settings, **said), timeout)
    return [row for one in found for row in _rows_of(one)]


def _rows_of(one: "Examined") -> Iterator[dict[str, str]]:
    if not one.faults:
        yield {"part": one.part, "status": "ok", "what": "", "fix": ""}
    for fault in one.faults:
        status = "warning" if fault.warning else "wrong"
        yield {"part": one.part, "status": status, "what": fault.what, "fix": fault.fix}


def _report(service: str, rows: list[dict[str, str]]) -> str:
    lines = []
    for row in rows:
        told = f": {row['what']}. Fix: {row['fix']}" if row["what"] else ""
        lines.append(f"{_MARKS[row['status']]} {row['part']}{told}")
    wrong = sum(row["status"] == "wrong" for row in rows)
    return "\n".join([*lines, f"{service}: {wrong or 'nothing'} wrong"])


@contextmanager
def _at_most(seconds: float, service: str) -> Iterator[None]:
    def give_up() -> None:
        why = "a check blocks the event loop"
        typer.echo(f"{service}: given up after {seconds:g} s: {why}", err=True)
        os._exit(1)

    timer = Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave the log lines out: what they say of a fault is said as a fault."""
    from chassis_core.concern import Service
    from chassis_core.concerns.logs.pipeline import (
        LogsSettings,
        Pipeline,
        leave_pipeline,
        use_pipeline,
    )

    with Path(os.devnull).open("wb") as nowhere:
        token = use_pipeline(Pipeline(LogsSettings(), service=Service(), stream=nowhere))
        before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)
            leave_pipeline(token)
