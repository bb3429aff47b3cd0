"""The conformance suite: what the chassis promises of every service, asked of the real app."""

from chassis_core.testing.conformance.catalogue import PROMISES
from chassis_core.testing.conformance.promise import (
    Broken,
    DoesNotApply,
    Promise,
    Verdict,
    ask,
    hold,
)
from chassis_core.testing.conformance.subject import Running, Subject, examining

__all__ = [
    "PROMISES",
    "Broken",
    "DoesNotApply",
    "Promise",
    "Running",
    "Subject",
    "Verdict",
    "ask",
    "examining",
    "hold",
]
