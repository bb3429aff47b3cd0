"""How a command fails.

RedisFailed
├── RedisDown
├── RedisRefused
└── RedisBusy
"""


class RedisFailed(ConnectionError):
    """A command was not done."""


class RedisDown(RedisFailed):
    """Redis did not answer, or is being left alone after it failed."""


class RedisRefused(RedisFailed):
    """Redis is there and answered with an error."""


class RedisBusy(RedisFailed):
    """Every connection of this process stayed in use: no sign that Redis fails."""
