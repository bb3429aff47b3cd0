"""Where Redis is, and how much of a request's time it may take."""

from pydantic import Field, SecretStr, field_validator
from redis.asyncio.connection import parse_url

from chassis_core.concern import ConcernSettings


class RedisSettings(ConcernSettings):
    """Where Redis is, and how much of a request's time it may take."""

    url: SecretStr | None = None
    """`redis://`, `rediss://` or `unix://`. None or empty: no Redis; limits and cache live in
    process."""
    timeout: float = Field(0.1, gt=0)
    """Seconds for one command, connecting included: what a request loses to a hung Redis."""
    max_connections: int = Field(50, ge=1)
    """Connections of one process; a command beyond them waits for a free one, within `timeout`."""
    recheck: float = Field(1.0, gt=0)
    """Seconds a failed Redis is left alone before it is probed, and at most a probe takes: no
    request pays for an outage twice, and its end is noticed within about two of these."""

    @field_validator("url")
    @classmethod
    def _readable(cls, url: SecretStr | None) -> SecretStr | None:
        if not url:
            return None
        try:
            parse_url(url.get_secret_value())
        except ValueError:
            known = "redis://:password@host:port/0, rediss:// or unix://"
            raise ValueError(f"must look like {known}, reserved characters as %xx") from None
        return url
