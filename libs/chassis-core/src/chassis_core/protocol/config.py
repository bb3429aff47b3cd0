"""What the connections of one listener share."""

from uvicorn.config import Config

from chassis_core.settings import ServerSettings


class StrictConfig(Config):
    """uvicorn's configuration, with our limits, and whether the process is draining."""

    limits = ServerSettings()
    draining = False
