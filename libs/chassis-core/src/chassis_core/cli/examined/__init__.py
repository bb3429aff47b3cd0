"""What `chassis doctor` looks at, one module a kind of thing."""

from collections.abc import Sequence
from dataclasses import dataclass

from chassis_core.concern import Fault

__all__ = ["Examined"]


@dataclass(frozen=True, slots=True)
class Examined:
    """One part of a service, and what is wrong with it.

    Attributes:
        part: a concern's name, or what else was looked at.
        faults: what is wrong.
    """

    part: str
    faults: Sequence[Fault] = ()
