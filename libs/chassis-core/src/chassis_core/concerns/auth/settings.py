"""Settings of auth: which tokens are believed, and how long."""

import re
from ipaddress import ip_address
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from chassis_core.concern import ConcernSettings
from chassis_core.concerns.auth.keys import FAMILIES
from chassis_core.concerns.auth.static_keys import hmac_keys, public_keys

Mode = Literal["none", "hmac", "public_key", "jwks"]
KEY_FIELDS: dict[Mode, str] = {
    "hmac": "secret",
    "public_key": "public_key",
    "jwks": "jwks_url",
}


class AuthSettings(ConcernSettings):
    """Which tokens are believed.

    The key of exactly one mode may be set, and the algorithms are of one family: a service that
    accepts two kinds of key for one token can be made to use the wrong one. An empty key is none,
    so that the environment can take away one that the service sets by default.
    """

    mode: Mode = "none"
    """Where keys come from: a shared `secret` (hmac), a PEM `public_key`, or a `jwks_url` (jwks).
    `none`, the default, refuses everyone: a service without keys must not let anyone in."""
    issuer: str = ""
    """The `iss` that a token must have, to the letter. Required unless the mode is none."""
    audience: str = ""
    """The `aud` that a token must contain, to the letter. Required unless the mode is none."""
    secret: SecretStr | None = None
    """Shared secret of mode hmac, at least as long as the hash: 32 bytes for HS256."""
    public_key: str | None = None
    """Public key of mode public_key in PEM: RSA from 2048 bits, P-256, P-384, P-521 or Ed25519."""
    jwks_url: str | None = None
    """Key set of mode jwks (RFC 7517 §5): https, or http to this machine."""
    jwks_allow_http: bool = False
    """Whether `jwks_url` may be http to another machine: only inside a mesh that encrypts."""
    algorithms: tuple[str, ...] = ()
    """Signature algorithms that are accepted, of one family. Empty: HS256 in mode hmac, the one
    that fits the key in mode public_key, ES256 in mode jwks."""
    token_types: tuple[Literal["at+jwt", "JWT"], ...] = Field(("at+jwt",), min_length=1)
    """Values of `typ` that are accepted. The default is that of access tokens (RFC 9068), so that
    an ID token is none; add JWT for an issuer that does not type its access tokens."""
    scope_claim: str = "scope"
    """Claim with the scopes: words in a string, or a list."""
    roles_claim: str = "roles"
    """Claim with the roles: words in a string, or a list."""
    kid_pattern: re.Pattern[str] = re.compile(r"[A-Za-z0-9._~=+-]{1,128}")
    """What a `kid` may look like; anything else is refused unlooked-up. Issuers that use plain
    base64 (Amazon Cognito) need a `/` more."""
    leeway: float = Field(30.0, ge=0, le=300)
    """Seconds by which the clocks of issuer and service may differ: hosts without NTP for a day
    drift by a few."""
    max_lifetime: float = Field(86_400.0, gt=0)
    """Longest time in seconds from `iat` to `exp`: a token cannot be recalled, so one that lives
    longer than a day is a mistake of its issuer."""
    max_token_bytes: int = Field(8192, ge=512)
    """Largest token that is looked at: real ones are 0.3 to 2 KB."""
    token_cache_size: int = Field(4096, ge=0)
    """Verified tokens that are remembered, about 2 KB each; 0 verifies each one anew."""
    jwks_ttl: float = Field(300.0, ge=1)
    """Longest time in seconds between two fetches, so that a key withdrawn by the issuer is
    believed no longer; a shorter `Cache-Control: max-age` is honoured down to the cool-down."""
    jwks_cooldown: float = Field(10.0, ge=0.1)
    """Shortest time in seconds between two fetches, however many unknown keys tokens name."""
    jwks_timeout: float = Field(3.0, gt=0)
    """Seconds that one fetch may take as a whole: it runs in the background, and an issuer that is
    up takes far less."""
    jwks_wait: float = Field(1.0, ge=0)
    """Seconds that a request with an unknown key waits for a fetch under way: longer than one takes
    within a network, and all that an invented key can cost."""
    jwks_max_stale: float = Field(3600.0, ge=0)
    """Seconds past `jwks_ttl` for which the last keys are believed while the issuer is down: an
    hour of outage is survived, and a key withdrawn in it believed no longer."""
    jwks_max_bytes: int = Field(65_536, ge=1024)
    """Largest key set that is read: real ones are 1 to 10 KB."""

    @property
    def accepted(self) -> tuple[str, ...]:
        """The algorithms accepted, with the mode's own in place of an empty list."""
        if self.algorithms:
            return self.algorithms
        if self.mode == "public_key" and self.public_key:
            return tuple(key.algorithm for key in public_keys(self.public_key, ()))
        return ("HS256",) if self.mode == "hmac" else ("ES256",)

    @model_validator(mode="after")
    def _one_mode(self) -> Self:
        needed = KEY_FIELDS.get(self.mode)
        given = {name for name in KEY_FIELDS.values() if getattr(self, name)}
        if needed and needed not in given:
            raise ValueError(f"mode {self.mode} needs {needed}")
        if needed and not (self.issuer and self.audience):
            raise ValueError(f"mode {self.mode} needs issuer and audience")
        if extra := sorted(given - {needed}):
            raise ValueError(f"mode {self.mode} does not go with {' and '.join(extra)}: empty it")
        return self

    @model_validator(mode="after")
    def _one_family(self) -> Self:
        if unknown := sorted(set(self.algorithms) - FAMILIES.keys()):
            raise ValueError(f"unknown algorithms {unknown}: choose from {', '.join(FAMILIES)}")
        families = {FAMILIES[name] for name in self.accepted}
        if len(families) > 1:
            raise ValueError(f"algorithms are of {len(families)} families: choose one")
        if self.mode != "none" and (families == {"HMAC"}) != (self.mode == "hmac"):
            raise ValueError(f"algorithms {', '.join(self.accepted)} do not go with {self.mode}")
        return self

    @model_validator(mode="after")
    def _usable_key(self) -> Self:
        if self.secret:
            hmac_keys(self.secret.get_secret_value(), self.accepted)
        if self.public_key:
            public_keys(self.public_key, self.accepted)
        if self.jwks_url:
            _check_url(self.jwks_url, allow_http=self.jwks_allow_http)
        return self


def _check_url(url: str, *, allow_http: bool) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("jwks_url must be an absolute https URL")
    if parts.username is not None or parts.fragment:
        raise ValueError("jwks_url must have no user and no fragment")
    if parts.scheme == "http" and not (allow_http or _is_loopback(parts.hostname)):
        raise ValueError("jwks_url must be https; set jwks_allow_http if the network encrypts")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
