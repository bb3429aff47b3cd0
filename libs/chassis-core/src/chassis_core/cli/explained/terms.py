"""The rules of a service's source and the promises of an assembled one."""

from collections.abc import Iterable

from chassis_core.cli.explained.page import Page, Row
from chassis_core.contract.changes import CHANGE_RULES
from chassis_core.contract.rule import Term
from chassis_core.contract.rules import RULES
from chassis_core.testing.conformance import PROMISES


def rules() -> dict[str, Term]:
    """Return the rules by name: those of the source, then those of a change."""
    return _named([*RULES, *CHANGE_RULES])


def promises() -> dict[str, Term]:
    """Return the promises by name."""
    return _named(PROMISES)


def rule_page(name: str) -> Page:
    """Explain a rule."""
    return _page("rule", rules()[name], "chassis check")


def promise_page(name: str) -> Page:
    """Explain a promise."""
    return _page("promise", promises()[name], "chassis verify SERVICE")


def rows(terms: Iterable[Term]) -> list[Row]:
    """Return terms as a table."""
    return [{"name": f"`{one.name}`", "says": one.says, "why": one.why} for one in terms]


def _named(terms: Iterable[Term]) -> dict[str, Term]:
    return {term.name: term for term in terms}


def _page(kind: str, term: Term, held_by: str) -> Page:
    return {
        "kind": kind,
        "name": term.name,
        "says": term.says,
        "why": term.why,
        "instead": term.instead,
        "held by": held_by,
    }
