"""How a rule is made of a function that looks at source."""

import ast
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from chassis_core.contract.rule import Finding, Rule
from chassis_core.contract.rules.source import Module, Source, read

Sight = tuple[ast.AST, str]
"""A node that breaks a rule, and what to say of it."""
Located = tuple[Module, ast.AST, str]
"""The same, with the file that it stands in."""


def source_rule(
    name: str, *, says: str, why: str, instead: str, see: Callable[[Module], Iterable[Sight]]
) -> Rule:
    """Return a rule that looks at one file at a time."""

    def see_all(source: Source) -> Iterator[Located]:
        return everywhere(source, see)

    return service_rule(name, says=says, why=why, instead=instead, see=see_all)


def everywhere(source: Source, see: Callable[[Module], Iterable[Sight]]) -> Iterator[Located]:
    """Yield what is seen in each file of a service."""
    for module in source.modules.values():
        for node, message in see(module):
            yield module, node, message


def service_rule(
    name: str, *, says: str, why: str, instead: str, see: Callable[[Source], Iterable[Located]]
) -> Rule:
    """Return a rule that looks at all files of a service together."""

    def find(root: Path, folder: Path) -> Iterator[Finding]:
        for module, node, message in see(read(root, folder)):
            yield Finding(module.path, getattr(node, "lineno", 0), name, message)

    return Rule(name, says=says, why=why, instead=instead, find=find)
