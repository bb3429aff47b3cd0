"""What a service is told about each service that it calls."""

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from chassis_core.concern import ConcernSettings


class ClientSettings(ConcernSettings):
    """Where one other service is, and how long and how often it is asked."""

    url: str
    """Base URL, `http://users:8001`; no credentials, query or fragment in it."""
    auth: Literal["caller", "service", "none"] = "caller"
    """Whose token is sent: the verified caller's, this service's own, or none."""
    token_url: str | None = None
    """Where this service gets its own token by client credentials, `https://…/oauth2/token`."""
    client_id: str | None = None
    """This service's name at the token endpoint."""
    client_secret: SecretStr | None = None
    """This service's secret at the token endpoint."""
    scope: str | None = None
    """Scopes to ask for, with spaces between; `null` for all that this service may have."""
    timeout: float = Field(2.0, gt=0)
    """Seconds for a call with all its attempts. The deadline of the request in flight wins where
    it is nearer."""
    attempt_timeout: float = Field(1.0, gt=0)
    """Seconds for one attempt, so that one hung instance leaves time to ask another."""
    connect_timeout: float = Field(0.5, gt=0)
    """Seconds to connect, or to wait for a free place: within one network both take far less."""
    max_in_flight: int = Field(100, ge=1)
    """Calls at once, and so connections; the next waits `connect_timeout` for one to end, then is
    answered 503: a slow service holds up no more of this one than that."""
    max_response: int = Field(1_048_576, ge=1)
    """Bytes of an answer's body; a longer one is cut off and answered 502, because it is held in
    memory."""
    attempts: int = Field(2, ge=1, le=3)
    """Times a safe call is tried. More only adds load to a service that fails."""
    retry_ratio: float = Field(0.1, ge=0, le=1)
    """Retries allowed a call, over all calls: an outage adds at most a tenth to the load."""
    backoff: float = Field(0.05, ge=0)
    """Seconds before the second attempt at most, doubled for each further one; the wait is drawn
    from zero to it, so that clients do not come back together."""
    breaker_failures: int = Field(5, ge=1)
    """Failures in a row that open the breaker: more than chance brings, and few enough to notice an
    outage at once."""
    breaker_ratio: float = Field(0.5, gt=0, le=1)
    """Share of failures among at least 20 calls in about five seconds that opens it too: a service
    that fails every second call is as good as down."""
    breaker_open: float = Field(2.0, gt=0)
    """Seconds an open breaker refuses calls before it lets one through to probe: short, because
    that costs one call."""

    @field_validator("url", "token_url")
    @classmethod
    def _plain(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be http://host[:port] or https://host[:port]")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("must have no credentials, query or fragment")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _can_have_a_token(self) -> Self:
        needed = {name: getattr(self, name) for name in ("token_url", "client_id", "client_secret")}
        missing = [name for name, value in needed.items() if not value]
        if self.auth == "service" and missing:
            raise ValueError(f"auth 'service' needs {', '.join(missing)}")
        return self
