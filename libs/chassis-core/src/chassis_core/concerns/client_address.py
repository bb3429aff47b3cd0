"""STUB client address: the peer, or the rightmost hop that no trusted proxy added."""

from typing import Any

from chassis_core.concern import Concern, ConcernSettings


class ClientAddressSettings(ConcernSettings):
    """STUB."""


def client_address(settings: ClientAddressSettings, **_: Any) -> Concern:
    """STUB."""
    return Concern(name="client_address")
