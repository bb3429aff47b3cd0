"""The driver: redis-py without its retries, time-outs and announcements."""

from redis.asyncio import ConnectionPool
from redis.asyncio import Redis as Client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from chassis_core.concerns.redis.settings import RedisSettings


def connect(settings: RedisSettings) -> Client | None:
    """Return a client that connects when it is first used, None without a URL.

    One failure is one failure: the default policy repeats a command for three seconds.
    """
    if settings.url is None:
        return None
    pool = ConnectionPool.from_url(
        settings.url.get_secret_value(),
        max_connections=settings.max_connections,
        # One asyncio.timeout bounds the whole command; the driver's own would start per step.
        socket_timeout=None,
        socket_connect_timeout=None,
        retry=Retry(NoBackoff(), 0),
        driver_info=None,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    return Client.from_pool(pool)
