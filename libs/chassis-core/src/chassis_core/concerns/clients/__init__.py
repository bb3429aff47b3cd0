"""Calls to other services: in time, traced, with the caller's identity, and gentle on failure."""

from chassis_core.concerns.clients.client import ServiceClient
from chassis_core.concerns.clients.concern import client, clients
from chassis_core.concerns.clients.settings import ClientSettings

__all__ = ["ClientSettings", "ServiceClient", "client", "clients"]
