"""Makes a service from templates, and enters it into the files that all services share."""

from chassis_core.cli.scaffold.plan import Plan, planned
from chassis_core.cli.scaffold.refusal import Refused

__all__ = ["Plan", "Refused", "planned"]
