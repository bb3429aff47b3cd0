"""All promises, in the order in which they are asked about."""

from chassis_core.testing.conformance.access import ACCESS
from chassis_core.testing.conformance.answers import ANSWERS
from chassis_core.testing.conformance.bodies import BODIES
from chassis_core.testing.conformance.documents import DOCUMENTS
from chassis_core.testing.conformance.foundation import FOUNDATION
from chassis_core.testing.conformance.guards import GUARDS
from chassis_core.testing.conformance.limits import LIMITS
from chassis_core.testing.conformance.ownership import OWNERSHIP
from chassis_core.testing.conformance.probes import PROBES
from chassis_core.testing.conformance.promise import Promise
from chassis_core.testing.conformance.secrecy import SECRECY
from chassis_core.testing.conformance.speed import SPEED
from chassis_core.testing.conformance.telemetry import TELEMETRY
from chassis_core.testing.conformance.wire import WIRE

PROMISES: tuple[Promise, ...] = (
    *FOUNDATION, *ANSWERS, *TELEMETRY, *ACCESS, *GUARDS, *OWNERSHIP, *BODIES, *LIMITS, *SPEED,
    *SECRECY, *PROBES, *WIRE, *DOCUMENTS,
)  # fmt: skip
"""What the chassis promises of every assembled service."""
