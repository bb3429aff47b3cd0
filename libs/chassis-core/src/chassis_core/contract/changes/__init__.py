"""The rules on what a change may touch, seen from where it began."""

from chassis_core.contract.changes.foundation import FOUNDATION_STAYS
from chassis_core.contract.changes.links import LINKS_STAY
from chassis_core.contract.changes.past import RELEASED_MIGRATIONS_STAY, TESTS_STAY
from chassis_core.contract.changes.rule import ChangeRule

CHANGE_RULES = (FOUNDATION_STAYS, LINKS_STAY, RELEASED_MIGRATIONS_STAY, TESTS_STAY)
"""Every rule on changes."""

__all__ = ["CHANGE_RULES", "ChangeRule"]
