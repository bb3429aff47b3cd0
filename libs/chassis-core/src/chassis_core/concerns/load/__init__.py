"""Load: how much work the process takes on, and the word that it is about to stop."""

from chassis_core.concerns.load.concern import LoadMiddleware, LoadSettings, load
from chassis_core.concerns.load.lag import Lag
from chassis_core.concerns.load.limit import Limit
from chassis_core.concerns.load.load import PLACE, STATE, Load, Place

__all__ = [
    "PLACE",
    "STATE",
    "Lag",
    "Limit",
    "Load",
    "LoadMiddleware",
    "LoadSettings",
    "Place",
    "load",
]
