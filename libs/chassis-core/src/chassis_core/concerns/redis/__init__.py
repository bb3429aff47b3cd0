"""The one Redis client of an app, which the limits and the cache share."""

from chassis_core.concerns.redis.client import Redis
from chassis_core.concerns.redis.concern import redis
from chassis_core.concerns.redis.errors import RedisBusy, RedisDown, RedisFailed, RedisRefused
from chassis_core.concerns.redis.settings import RedisSettings

__all__ = [
    "Redis",
    "RedisBusy",
    "RedisDown",
    "RedisFailed",
    "RedisRefused",
    "RedisSettings",
    "redis",
]
