"""Load: how much work the process takes on, and the word that it is about to stop."""

from chassis_core.concerns.load.concern import LoadMiddleware, LoadSettings, load
from chassis_core.concerns.load.lag import Lag
from chassis_core.concerns.load.load import PLACE, Load

__all__ = ["PLACE", "Lag", "Load", "LoadMiddleware", "LoadSettings", "load"]
