"""Client address: the one place that decides who the client is and which scheme it used."""

from chassis_core.concerns.client_address.concern import client_address
from chassis_core.concerns.client_address.middleware import (
    ClientAddressMiddleware,
    ClientAddressSettings,
)

__all__ = ["ClientAddressMiddleware", "ClientAddressSettings", "client_address"]
