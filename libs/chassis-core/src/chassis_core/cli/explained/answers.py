"""What is seen from outside: a problem's status, a metric, an alert with its runbook."""

import inspect
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

from chassis_core import problem
from chassis_core.cli.explained import installed, sources
from chassis_core.cli.explained.page import Page

RUNBOOKS = "docs/runbooks"
RULES = "deploy/observability/prometheus/rules"
_SERIES = re.compile(r"(_bucket|_sum|_count|_created)$")


def statuses() -> list[str]:
    """Return the statuses that say that something went wrong."""
    return [str(status.value) for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST]


def status_page(status: str, root: Path | None) -> Page:
    """Explain a problem's status: who answers with it, and when."""
    kinds = inspect.getmembers(problem, inspect.isclass)
    says = [kind.__doc__ for _, kind in kinds if vars(kind).get("status") == int(status)]
    raised = [pair for one in _packages() for pair in sources.problems(one)]
    found = [call for code, call in raised if code == int(status)]
    return {
        "kind": "problem",
        "name": f"{status} {problem.title(int(status))}",
        "says": says[0] or "" if says else "",
        "runbooks": ", ".join(name for name, text in runbooks(root).items() if status in text),
        "answered by": [{"who": call.concern, "when": call.when} for call in found]
        or ["No code here names it: the framework answers so by itself, or a response of a route."],
    }


def metrics() -> dict[str, sources.Call]:
    """Return the metrics of the chassis and of every installed service."""
    return {name: call for one in _packages() for name, call in sources.metrics(one)}


def metric(thing: str) -> str | None:
    """Return the metric that is meant by its name, or by that of one of its series."""
    names = [thing.lower(), _SERIES.sub("", thing.lower())]
    known = metrics()
    return next((one for name in names for one in (name, f"{name}_total") if one in known), None)


def metric_page(name: str, root: Path | None) -> Page:
    """Explain a metric: what it counts, who counts it, and which alerts look at it."""
    call = metrics()[name]
    return {
        "kind": "metric",
        "name": name + call.labelled,
        "means": " ".join(call.texts[1:]),
        "type": call.made.lower(),
        "counted by": f"{call.concern} ({call.place})",
        "alerts": ", ".join(alert for alert, rule in _alerts(root) if name in rule),
    }


def runbooks(root: Path | None) -> dict[str, str]:
    """Return the pages that say what to do about an alert, by its name."""
    found = sorted((root / RUNBOOKS).glob("*.md")) if root else []
    return {file.stem: file.read_text("utf-8") for file in found}


def alert_page(name: str, root: Path | None) -> Page:
    """Explain an alert: its runbook."""
    return {
        "kind": "alert",
        "name": name,
        "file": f"{RUNBOOKS}/{name}.md",
        "runbook": runbooks(root)[name].partition("\n")[2].strip(),
    }


def _alerts(root: Path | None) -> Iterator[tuple[str, str]]:
    for file in sorted((root / RULES).glob("*.yml")) if root else []:
        for rule in file.read_text("utf-8").split("- alert: ")[1:]:
            yield rule.partition("\n")[0].strip(), rule


def _packages() -> list[str]:
    return ["chassis_core", *map(installed.package, installed.services())]
