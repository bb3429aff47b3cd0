"""Everything that can be explained, by kind and name."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from chassis_core.cli.explained import (
    answers,
    concerns,
    installed,
    knobs,
    paths,
    platform,
    services,
    terms,
)
from chassis_core.cli.explained.page import Page
from chassis_core.contract import FILE
from chassis_core.nearest import did_you_mean


class Unknown(Exception):
    """Nothing is called so, or several things are; the text is one line with what is close."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of thing.

    Attributes:
        name: as in `concern:redis`, which says which of two things of one name is meant.
        names: of its things, where what is close to a wrong name is looked for.
        page: explains the thing of a name.
        find: the name that is meant by what somebody wrote, or None.
    """

    name: str
    names: Callable[[], Iterable[str]]
    page: Callable[[str], Page]
    find: Callable[[str], str | None] | None = None

    def found(self, thing: str) -> str | None:
        """Return the name that `thing` means, or None."""
        if self.find:
            return self.find(thing)
        return next((name for name in self.names() if _plain(name) == _plain(thing)), None)


def explain(thing: str, root: Path | None) -> Page:
    """Return the page about `thing`.

    Args:
        thing: what somebody wants to know about; "" is the platform.
        root: the folder of the contract; None outside of a platform.

    Raises:
        Unknown: there is no such thing, or more than one.
    """
    if not thing:
        return platform.page(root)
    said, _, name = thing.rpartition(":")
    kinds = [kind for kind in _kinds(root) if said in {"", kind.name}]
    found = [(kind, own) for kind in kinds if (own := kind.found(name)) is not None]
    if len(found) > 1:
        several = ", ".join(f"{kind.name}:{own}" for kind, own in found)
        raise Unknown(f"{thing!r} is several things; say which: {several}")
    if not found:
        return _path(thing, root) or _unknown(thing, kinds)
    [(kind, own)] = found
    return kind.page(own)


def _kinds(root: Path | None) -> list[Kind]:
    layers = {name: owner for name, owner in concerns.layers().items() if _is_new(name)}
    runbooks = answers.runbooks(root)
    return [
        Kind(name="service", names=installed.services, page=services.page),
        Kind(name="concern", names=concerns.standard, page=concerns.page),
        Kind(name="layer", names=lambda: layers, page=concerns.layer_page),
        Kind(name="section", names=lambda: ["server"], page=knobs.section_page, find=knobs.section),
        Kind(name="setting", names=knobs.names, page=knobs.page, find=knobs.find),
        Kind(
            name="metric",
            names=answers.metrics,
            page=lambda name: answers.metric_page(name, root),
            find=answers.metric,
        ),
        Kind(
            name="problem",
            names=answers.statuses,
            page=lambda status: answers.status_page(status, root),
        ),
        Kind(
            name="alert",
            names=lambda: runbooks,
            page=lambda name: answers.alert_page(name, root),
        ),
        Kind(name="rule", names=terms.rules, page=terms.rule_page),
        Kind(name="promise", names=terms.promises, page=terms.promise_page),
    ]


def _path(thing: str, root: Path | None) -> Page | None:
    path = paths.relative(thing, root) if root else None
    return paths.page(path, root) if root and path is not None else None


def _unknown(thing: str, kinds: list[Kind]) -> Page:
    names = {_plain(name): name for kind in kinds for name in kind.names()}
    hint = did_you_mean(_plain(thing), names, most=3, shown=names.__getitem__)
    if not hint:
        kind = ", ".join(kind.name for kind in kinds)
        hint = f"it is no {kind} or path below a {FILE}"
    raise Unknown(f"nothing is called {thing!r}; {hint}")


def _is_new(layer: str) -> bool:
    return layer.lower() not in concerns.standard()


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "__")
