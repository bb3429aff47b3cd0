"""Enters a service into the files that all services share."""

import re
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tomlkit

from chassis_core.cli.scaffold.refusal import Refused
from chassis_core.cli.scaffold.rendering import part
from chassis_core.contract import FILE, Contract, package_of

_OF_A_RULE = {"modules", "source_modules", "forbidden_modules"}
_TABLE = re.compile(r"^\[services\.[^\]]+\]\n(?:[\w-]+ = .*\n)*", re.MULTILINE)


def entered(root: Path, contract: Contract, name: str) -> dict[str, str]:
    """Return the shared files as they are with the service `name` of the contract in them.

    Raises:
        Refused: one of them has not the place where services stand.
    """
    editors: dict[str, Callable[[str, Contract, str], str]] = {
        FILE: _registry,
        "pyproject.toml": _workspace,
        "compose.yaml": _compose,
    }
    return {
        path: edit((root / path).read_text("utf-8"), contract, name)
        for path, edit in editors.items()
    }


def _registry(text: str, contract: Contract, name: str) -> str:
    member, tables = contract.services[name], list(_TABLE.finditer(text))
    entry = f"\n[services.{name}]\nport = {member.port}\nadmin_port = {member.admin_port}\n"
    end = tables[-1].end() if tables else len(text)
    text = text[:end] + entry + text[end:]
    try:
        if Contract.model_validate(tomllib.loads(text)) == contract:
            return text
    except ValueError:
        pass
    raise Refused(f"{FILE}: write every service as a table of its own, [services.NAME]")


def _workspace(text: str, contract: Contract, name: str) -> str:
    document: Any = tomlkit.parse(text)
    others = [other for other in contract.services if other != name]
    try:
        tool = document["tool"]
        linter = tool["importlinter"]
        lists: list[tuple[Any, Callable[[str], str]]] = [
            (document["dependency-groups"]["dev"], str),
            (tool["mypy"]["mypy_path"], _source),
            (tool["mypy"]["files"], _source),
            (linter["root_packages"], package_of),
        ]
        joined = [_join(names, spelled, others, name) for names, spelled in lists]
        for rule in linter["contracts"]:
            for key in _OF_A_RULE & rule.keys():
                _join(rule[key], package_of, others, name)
        tool["uv"]["sources"].append(name, tomlkit.value("{ workspace = true }"))
    except KeyError as missing:
        raise Refused(f"pyproject.toml: there is no {missing} to enter {name} into") from None
    if not all(joined):
        raise Refused(
            f"pyproject.toml: first name each of {', '.join(others)} in the group dev, in mypy_path"
            " and files of mypy, and in root_packages of importlinter"
        )
    return tomlkit.dumps(document)


def _join(array: Any, spelled: Callable[[str], str], others: Sequence[str], name: str) -> bool:
    """Put `name` behind the others, if the array has them all; tell whether it has."""
    wanted = [spelled(other) for other in others]
    places = [place for place, item in enumerate(array) if item in wanted]
    if len(places) == len(wanted):
        array.insert(places[-1] + 1, spelled(name))
    return len(places) == len(wanted)


def _source(service: str) -> str:
    return f"services/{service}/src"


def _compose(text: str, contract: Contract, name: str) -> str:
    for before, which in (("\nservices:\n", "settings"), ("\n  postgres:\n    ", "services")):
        if text.count(before) != 1:
            line = before.strip("\n ")
            raise Refused(f"compose.yaml: {line!r} must stand there once, to enter {name} above")
        entry = part(contract, name, f"compose-{which}.yaml")
        text = text.replace(before, entry + before)
    return text
