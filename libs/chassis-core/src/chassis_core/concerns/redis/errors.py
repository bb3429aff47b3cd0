"""How a command fails."""


class RedisDown(ConnectionError):
    """Redis did not answer, refused, or is being left alone after it failed."""


class RedisRefused(RedisDown):
    """Redis is there and answered with an error."""


class RedisBusy(RedisDown):
    """Every connection of this process stayed in use: no sign that Redis fails."""
