"""What the connections of one listener share."""

from typing import Any

from starlette.types import ASGIApp
from uvicorn.config import Config

from chassis_core.settings import ServerSettings


class StrictConfig(Config):
    """uvicorn's configuration, with our limits.

    Attributes:
        limits: how long and how much a client may send.
        draining: whether the process has been told to stop.
        idle: the connections that wait for their clients, the one that does so for longest first.
    """

    def __init__(self, app: ASGIApp, limits: ServerSettings, **options: Any) -> None:
        super().__init__(app, **options)
        self.limits = limits
        self.draining = False
        self.idle: dict[Any, None] = {}
