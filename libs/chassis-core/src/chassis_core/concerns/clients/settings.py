"""What a service is told about each service that it calls."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from chassis_core.concern import ConcernSettings


class ClientSettings(ConcernSettings):
    """Where one other service is, and how long and how often it is asked."""

    url: str
    """Base URL, `http://users:8001`; no credentials, query or fragment in it."""
    authorization: Literal["caller", "none"] = "caller"
    """Whose token is sent: the verified caller's, or none."""
    timeout: float = Field(2.0, gt=0)
    """Seconds for a call with all its attempts. The deadline of the request in flight wins where
    it is nearer."""
    attempt_timeout: float = Field(1.0, gt=0)
    """Seconds for one attempt, so that one hung instance leaves time to ask another."""
    connect_timeout: float = Field(0.5, gt=0)
    """Seconds to connect, or to wait for a free connection: within one network both take far
    less."""
    max_connections: int = Field(100, ge=1)
    """Calls in flight; the next waits `connect_timeout` for one to end, then is answered 503."""
    max_response: int = Field(1_048_576, ge=1)
    """Bytes of an answer's body; a longer one is cut off and answered 502."""
    attempts: int = Field(2, ge=1, le=3)
    """Times a safe call is tried. More only adds load to a service that fails."""
    retry_ratio: float = Field(0.1, ge=0, le=1)
    """Retries allowed a call, over all calls: an outage adds at most a tenth to the load."""
    backoff: float = Field(0.05, ge=0)
    """Seconds before the second attempt at most, doubled for each further one; the wait is drawn
    from zero to it, so that clients do not come back together."""
    breaker_failures: int = Field(5, ge=1)
    """Failures in a row that open the breaker."""
    breaker_ratio: float = Field(0.5, gt=0, le=1)
    """Share of failures among at least 20 calls in about five seconds that opens it too."""
    breaker_open: float = Field(2.0, gt=0)
    """Seconds an open breaker refuses calls before it lets one through to probe."""

    @field_validator("url")
    @classmethod
    def _plain(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be http://host[:port] or https://host[:port]")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("must have no credentials, query or fragment")
        return url.rstrip("/")
