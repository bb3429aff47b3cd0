"""STUB database."""

from typing import Any

from chassis_core.concern import Concern, ConcernSettings


class DatabaseSettings(ConcernSettings):
    """STUB."""


def database(settings: DatabaseSettings, **_: Any) -> Concern:
    """STUB."""
    return Concern(name="database")


class Database:
    """STUB."""

    def __init__(self, settings: DatabaseSettings, **_: Any) -> None: ...
