"""The contract between the chassis and those who write services on it: `chassis.toml`."""

from chassis_core.contract.document import (
    FILE,
    PATTERNED,
    Boundaries,
    Contract,
    ContractError,
    Member,
    Zone,
    find_root,
    load,
    package_of,
    prefix_of,
)
from chassis_core.contract.rule import Finding, Rule

__all__ = [
    "FILE",
    "PATTERNED",
    "Boundaries",
    "Contract",
    "ContractError",
    "Finding",
    "Member",
    "Rule",
    "Zone",
    "find_root",
    "load",
    "package_of",
    "prefix_of",
]
