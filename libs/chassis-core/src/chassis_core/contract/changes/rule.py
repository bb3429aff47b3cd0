"""What a rule on changes is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from chassis_core.contract.changes.history import History
from chassis_core.contract.document import Contract
from chassis_core.contract.rule import Finding, Term


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRule(Term):
    """Something that holds for every change.

    Attributes:
        find: yields what breaks it, given the contract and the history.
    """

    find: Callable[[Contract, History], Iterable[Finding]]
