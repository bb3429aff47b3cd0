"""The quality attributes: who carries each, and what proves it."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from chassis_core.cli.explained.page import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What shows that an attribute is there: a test, a promise, a script, or a page of figures.

    Attributes:
        test: as `path::name`, from the root.
        promise: one of the conformance suite.
        script: a module that exits with 1 below its bar.
        figures: the page with the last figures of a script; alone, one that speaks for itself, of
            public suites or with a proof a row.
    """

    test: str = ""
    promise: str = ""
    script: str = ""
    figures: str = ""

    def __str__(self) -> str:
        """Return it as somebody would run or read it."""
        if self.test or self.promise:
            return self.test or f"promise {self.promise}"
        if not self.script:
            return f"page {self.figures}"
        return f"python -m {self.script}{f', figures of {self.figures}' if self.figures else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One quality attribute.

    Attributes:
        name: of it.
        group: that it belongs to.
        bar: what is to be proved.
        carried_by: concerns by name, and other parts by their path.
        proofs: what proves it, one at least.
        lacking: what of the bar nothing proves yet.
    """

    name: str
    group: str
    bar: str
    carried_by: Sequence[str]
    proofs: Sequence[Proof]
    lacking: str


def attributes() -> list[Attribute]:
    """Return all of them, group by group."""
    text = files("chassis_core.cli.explained").joinpath("attributes.toml").read_text("utf-8")
    return [
        Attribute(**{**one, "proofs": [Proof(**proof) for proof in one["proofs"]]})
        for one in tomllib.loads(text)["attribute"]
    ]


def row(attribute: Attribute) -> dict[str, str | list[str]]:
    """Return an attribute as data, its proofs as they are run or read."""
    return {
        "name": attribute.name,
        "group": attribute.group,
        "bar": attribute.bar,
        "carried_by": list(attribute.carried_by),
        "proofs": [str(proof) for proof in attribute.proofs],
        "lacking": attribute.lacking,
    }


def groups() -> dict[str, list[Row]]:
    """Return the matrix: the rows of each group."""
    found: dict[str, list[Row]] = {}
    for one in attributes():
        proofs = [f"`{proof}`" for proof in one.proofs]
        lacking = [f"**no proof yet**: {one.lacking}"] if one.lacking else []
        found.setdefault(one.group, []).append(
            {
                "attribute": one.name,
                "bar": one.bar,
                "carried by": ", ".join(f"`{part}`" for part in one.carried_by),
                "proofs": "<br>".join([*proofs, *lacking]),
            }
        )
    return found
