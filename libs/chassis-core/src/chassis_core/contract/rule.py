"""What a term of the contract is, what a rule is, and what it finds."""

from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One place that breaks a rule.

    Attributes:
        path: the file, relative to the root.
        line: 1 is the first; 0 when it is about the whole file.
        rule: the rule's name.
        message: what is there, and what belongs there instead.
    """

    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        """Return it as compilers say it, so that editors find the place."""
        return f"{self.path}:{self.line or 1}: {self.rule}: {self.message}"


@dataclass(frozen=True, slots=True)
class Term:
    """Something that holds here: a rule, or a promise.

    Attributes:
        name: in lower case with hyphens.
        says: the term as one sentence.
        why: what went wrong, or would, without it.
        instead: what to write, or do, instead; empty where nobody writes what breaks it.
    """

    name: str
    _: KW_ONLY
    says: str
    why: str
    instead: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Term):
    """Something that holds for the source of every service.

    Attributes:
        find: yields what breaks it in the folder of a service, given the root and the folder.
    """

    find: Callable[[Path, Path], Iterable[Finding]]
