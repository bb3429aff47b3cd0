"""Runs an app: the public and the admin listener in one process, and their orderly end."""

from chassis_core.server.listener import CannotStart, Listener, bind
from chassis_core.server.process import FAILED_TO_START, STOPPED_AT_ONCE, serve

__all__ = ["FAILED_TO_START", "STOPPED_AT_ONCE", "CannotStart", "Listener", "bind", "serve"]
