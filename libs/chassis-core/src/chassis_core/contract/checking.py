"""Holds services, and a change, to the contract."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from chassis_core.contract.changes import CHANGE_RULES
from chassis_core.contract.changes.history import history
from chassis_core.contract.document import FILE, Contract, ContractError, load
from chassis_core.contract.rule import Finding
from chassis_core.contract.rules import RULES
from chassis_core.nearest import did_you_mean

NEEDLESS = "needless-exception"
"""The rule's name of an exception that excuses nothing any more."""


def check(root: Path, services: Sequence[str] = (), *, since: str = "") -> list[Finding]:
    """Return every place that breaks the contract, in the order of files.

    Args:
        root: the platform's folder.
        services: those to look at; all when there is none.
        since: a commit, to look at what has changed since as well.

    Raises:
        ContractError: the contract cannot be read, or there is no such service, rule or commit.
    """
    contract = load(root)
    _refuse_unknown_rules(contract)
    found: set[Finding] = set()
    for name in _chosen(root, contract, services):
        found.update(_of_service(root, contract, name))
    if since:
        past = history(root, since)
        changed = {one for rule in CHANGE_RULES for one in rule.find(contract, past)}
        found.update(one for one in changed if not _is_excepted(contract, one))
    return sorted(found)


def _chosen(root: Path, contract: Contract, services: Sequence[str]) -> list[str]:
    folders = {path.parent.name for path in (root / "services").glob("*/pyproject.toml")}
    known = sorted(contract.services.keys() | folders)
    for name in services:
        if name not in known:
            hint = did_you_mean(name, known) or f"there are: {', '.join(known)}"
            raise ContractError(f"there is no service {name!r} in {FILE}; {hint}")
    return list(services) or known


def _refuse_unknown_rules(contract: Contract) -> None:
    names = [rule.name for rule in (*RULES, *CHANGE_RULES)]
    for service, member in contract.services.items():
        for rule in member.exceptions:
            if rule not in names:
                hint = did_you_mean(rule, names) or "chassis explain lists them"
                raise ContractError(
                    f"{FILE}: services.{service}.exceptions.{rule}: no rule; {hint}"
                )


def _of_service(root: Path, contract: Contract, name: str) -> Iterator[Finding]:
    member = contract.services.get(name)
    excepted = member.exceptions if member else {}
    for rule in RULES:
        found = list(rule.find(root, root / "services" / name))
        if rule.name not in excepted:
            yield from found
        elif not found:
            message = f"{name} keeps {rule.name} by now; remove the exception"
            yield Finding(FILE, _line(root, name, rule.name), NEEDLESS, message)


def _is_excepted(contract: Contract, finding: Finding) -> bool:
    parts = finding.path.split("/")
    member = contract.services.get(parts[1]) if parts[0] == "services" else None
    return member is not None and finding.rule in member.exceptions


def _line(root: Path, service: str, rule: str) -> int:
    lines: Iterable[str] = (root / FILE).read_text("utf-8").splitlines()
    table = ""
    for number, line in enumerate(lines, 1):
        table = line.strip() if line.lstrip().startswith("[") else table
        if f"services.{service}" in table.replace('"', "") and rule in line:
            return number
    return 0
