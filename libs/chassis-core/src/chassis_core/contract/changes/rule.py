"""What a rule on changes is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from chassis_core.contract.changes.history import History
from chassis_core.contract.document import Contract
from chassis_core.contract.rule import Finding


@dataclass(frozen=True, slots=True)
class ChangeRule:
    """Something that holds for every change.

    Attributes:
        name: in lower case with hyphens.
        says: the rule as one sentence.
        why: what went wrong, or would, without it.
        instead: what to do instead.
        find: yields what breaks it, given the contract and the history.
    """

    name: str
    says: str
    why: str
    instead: str
    find: Callable[[Contract, History], Iterable[Finding]]
