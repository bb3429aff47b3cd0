"""The settings of users: the standard ones, its keys, passwords, tokens and clients."""

from typing import Annotated, Any, Self

from chassis_core import ConcernSettings, InvalidSettings, ServiceSettings
from chassis_core.concerns.auth import AuthSettings
from chassis_core.concerns.body_limit import BodyLimitSettings
from chassis_core.concerns.database import DatabaseSettings
from chassis_core.settings import ServerSettings
from cryptography.fernet import Fernet
from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

# These three are public, so production refuses them.
DEVELOPMENT_KEY = "Y2hhc3Npcy1kZXZlbG9wbWVudC1vbmx5LWtleS0zMiE="
DEVELOPMENT_SECRET_SHA256 = "c0638de0e6dc89845d5ce462788a7f725d410037cdc0252a0d5151aaf66bed6d"  # noqa: S105 - known to all
DEVELOPMENT_ISSUER = "http://127.0.0.1:8001"


def _fernet_keys(keys: SecretStr) -> SecretStr:
    try:
        for key in keys.get_secret_value().split(","):
            Fernet(key)
    except ValueError:
        raise ValueError("must be 32 bytes in url-safe base64, or several with commas") from None
    return keys


def _sha256(digest: SecretStr) -> SecretStr:
    try:
        size = len(bytes.fromhex(digest.get_secret_value()))
    except ValueError:
        size = 0
    if size != 32:
        raise ValueError("must be the SHA-256 of the client's secret, in 64 hexadecimal digits")
    return digest


class KeySettings(ConcernSettings):
    """How signing keys are kept, published and followed."""

    encryption_key: Annotated[SecretStr, AfterValidator(_fernet_keys)] = SecretStr(DEVELOPMENT_KEY)
    """Fernet key that encrypts the private keys in the database. Several, separated by commas,
    while it is being replaced: the first encrypts, all decrypt."""
    max_age: int = Field(300, ge=0)
    """Seconds for which others may cache the JWKS; a key is published that long before it signs."""
    poll_interval: float = Field(2.0, gt=0)
    """Seconds between two looks at the database, and so how soon a rotation is picked up."""
    stale_after: float = Field(60.0, gt=0)
    """Seconds without a good look after which this process signs nothing: it can no longer know
    that its key is not retired. At least two looks, so that one that fails does not stop it."""

    @model_validator(mode="after")
    def _looks_before_stale(self) -> Self:
        if 2 * self.poll_interval > self.stale_after:
            raise ValueError(
                f"stale_after ({self.stale_after:g}) must be at least twice poll_interval "
                f"({self.poll_interval:g}): else the process stops signing between two looks"
            )
        return self


class PasswordSettings(ConcernSettings):
    """The cost of argon2id (RFC 9106), and how much of it may run at once."""

    memory: int = Field(65_536, ge=8)
    """KiB that one hash fills: the RFC's second recommendation, 64 MiB."""
    passes: int = Field(3, ge=1)
    """Passes over the memory, of the same recommendation."""
    parallelism: int = Field(4, ge=1)
    """Lanes of one hash, of the same recommendation."""
    concurrency: int = Field(2, ge=1)
    """Hashes at once in this process, so that logins cannot take all memory and cores."""
    queue: int = Field(32, ge=1)
    """Hashes that may wait, some seconds of work; more are answered 503."""


class TokenSettings(ConcernSettings):
    """How long tokens live, and what a user's tokens may do."""

    access_lifetime: int = Field(900, ge=1)
    """Seconds an access token is good for: it cannot be revoked, so not long."""
    refresh_lifetime: int = Field(2_592_000, ge=1)
    """Seconds from a login until its refresh tokens end and the user logs in again: 30 days."""
    client_id: str = "web"
    """The public client in which people log in; a request that names no client means this one."""
    scopes: tuple[str, ...] = ("profile", "orders:read", "orders:write")
    """What a user's token may do at most."""


class ServiceClient(ConcernSettings):
    """A service that gets tokens of its own by client credentials."""

    secret_sha256: Annotated[SecretStr, AfterValidator(_sha256)]
    """SHA-256 of the secret: enough for 32 random bytes, which no one can guess."""
    scopes: tuple[str, ...] = ("users:read",)
    """What its tokens may do at most."""


class Settings(ServiceSettings):
    """Settings of users, from variables that start with USERS_.

    The issuer and audience of the tokens are those that users itself asks for: `auth.issuer` and
    `auth.audience`.
    """

    model_config = SettingsConfigDict(env_prefix="USERS_")

    name: str = "users"
    server: ServerSettings = ServerSettings(port=8001, admin_port=9001)
    # A form or a registration is far shorter, and anyone may send one.
    body_limit: BodyLimitSettings = BodyLimitSettings(max_bytes=16_384)
    database: DatabaseSettings = DatabaseSettings(
        url=SecretStr("sqlite+aiosqlite:///.chassis/users.db")
    )
    auth: AuthSettings = AuthSettings(issuer=DEVELOPMENT_ISSUER, audience="chassis")
    keys: KeySettings = KeySettings()
    passwords: PasswordSettings = PasswordSettings()
    tokens: TokenSettings = TokenSettings()
    oauth_clients: dict[str, ServiceClient] = Field(
        {"orders": ServiceClient(secret_sha256=SecretStr(DEVELOPMENT_SECRET_SHA256))}
    )
    """Services that may ask for tokens, by client id."""

    def model_post_init(self, _: Any) -> None:
        """Refuse, in production, every default that anyone can read in the source."""
        if self.environment == "production" and (left := self._development_defaults()):
            raise InvalidSettings(f"production needs a value of its own for {', '.join(left)}")

    def _development_defaults(self) -> list[str]:
        left = []
        if DEVELOPMENT_KEY in self.keys.encryption_key.get_secret_value():
            left.append("USERS_KEYS__ENCRYPTION_KEY")
        if self.auth.issuer == DEVELOPMENT_ISSUER:
            left.append("USERS_AUTH__ISSUER")
        for name, client in self.oauth_clients.items():
            if client.secret_sha256.get_secret_value().lower() == DEVELOPMENT_SECRET_SHA256:
                left.append(f"USERS_OAUTH_CLIENTS__{name.upper()}__SECRET_SHA256")
        return left
