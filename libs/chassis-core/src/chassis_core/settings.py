"""Settings of a service: one nested field a concern, read once from the environment."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, get_origin

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from chassis_core.concern import ConcernSettings
from chassis_core.concerns.auth import AuthSettings
from chassis_core.concerns.body_limit import BodyLimitSettings
from chassis_core.concerns.cache import CacheSettings
from chassis_core.concerns.client_address import ClientAddressSettings
from chassis_core.concerns.clients import ClientSettings
from chassis_core.concerns.compression import CompressionSettings
from chassis_core.concerns.cors import CorsSettings
from chassis_core.concerns.database import DatabaseSettings
from chassis_core.concerns.deadline import DeadlineSettings
from chassis_core.concerns.health import HealthSettings
from chassis_core.concerns.idempotency import IdempotencySettings
from chassis_core.concerns.load import LoadSettings
from chassis_core.concerns.logs import LogsSettings
from chassis_core.concerns.metrics import MetricsSettings
from chassis_core.concerns.outbox import OutboxSettings
from chassis_core.concerns.pagination import PaginationSettings
from chassis_core.concerns.rate_limit import RateLimitSettings
from chassis_core.concerns.redis import RedisSettings
from chassis_core.concerns.security_headers import SecurityHeadersSettings
from chassis_core.concerns.tracing import TracingSettings
from chassis_core.concerns.trusted_hosts import TrustedHostsSettings
from chassis_core.nearest import did_you_mean

# Kubernetes and Docker links put these into every container that runs beside a service of the name.
_SERVICE_LINK = re.compile(
    r"(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)=.*"
    r"|(\w+_)?PORT=(tcp|udp|sctp)://.*",
    re.DOTALL,
)
# The passwords and secrets of a developer's cluster and of compose, which everyone can read.
_KNOWN_TO_ALL = re.compile(
    r"[\w-]+-local|.*:[\w-]+-local@.*|.*(local|development)-only.*", re.DOTALL
)


class InvalidSettings(SystemExit):
    """A setting is wrong: the text names the variable and the rule, never the value.

    Args:
        text: all of it, in a line.
        rules: the rules that are broken one by one, where there may be several.
    """

    def __init__(self, text: str, rules: Iterable[str] = ()) -> None:
        super().__init__(text)
        self.rules = tuple(rules) or (text,)


class ServerSettings(ConcernSettings):
    """Where `chassis serve` listens, and how long it lets clients take."""

    host: str = "127.0.0.1"
    """Address of both listeners; 0.0.0.0 in a container."""
    port: int = Field(8000, ge=0, le=65535)
    """Port of the public listener; 0 lets the system choose."""
    admin_port: int = Field(9000, ge=0, le=65535)
    """Port of the admin listener: probes, metrics and info."""
    keep_alive: float = Field(75.0, gt=0)
    """Seconds an idle connection is kept: longer than the 60 s of common load balancers, so that
    they, not we, close it first."""
    max_headers: int = Field(100, ge=1)
    """Header lines in one request; more are answered 431. Browsers and proxies send some thirty."""
    max_header_bytes: int = Field(16_384, ge=1024)
    """Bytes of request line and headers; more are answered 431. A token of the largest size
    (`auth.max_token_bytes`) is half of it."""
    header_timeout: float = Field(10.0, gt=0)
    """Seconds from the first byte of a request, or the opening of a connection, until its headers
    are there; slower ones are answered 408. A phone on a bad line needs two."""
    body_timeout: float = Field(15.0, gt=0)
    """Seconds for which a body may stop coming while it is waited for; then 408. A lost packet
    has been sent again three times by then."""
    body_min_rate: float = Field(500.0, gt=0)
    """Bytes a second below which a body counts as stopped: each byte buys its share of a second,
    and nobody has more than `body_timeout` to spare. A phone on a bad line sends 2,000."""
    write_timeout: float = Field(15.0, gt=0)
    """Seconds in which a client must take the rest of its answer, or 64 KiB of a long one; then the
    connection is cut. A phone on a bad line takes that in ten."""
    max_connections: int = Field(1000, ge=1)
    """Connections open at once: each costs a descriptor, of which a process often has 1,024. When
    one more comes, the one that has waited for its client for longest is closed: for a request, the
    rest of one, or until an answer is taken."""
    max_pipelined: int = Field(64, ge=1)
    """Requests that wait for their turn on one connection; one more is answered 429, and the
    connection closed. Who pipelines sends some dozens; ten thousand fit into one read."""
    drain_delay: float | None = Field(None, ge=0)
    """Seconds between SIGTERM and the closing of the listener, while readiness says no: new
    requests keep coming until every proxy has heard. `null` is 5 in staging and production, where
    the word takes seconds to spread, and 0 elsewhere, where someone waits for Ctrl-C."""
    shutdown_timeout: float = Field(15.0, gt=0)
    """Seconds that requests in flight may take after the listener has closed: with the delay and
    the last flush a process ends within 25 s of SIGTERM, 30 with a preStop of 5 s. The pods here
    are granted 40."""


class _Environment(EnvSettingsSource):
    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            # The value of a mapping has no field; the caller then takes it as it is.
            if field is None:
                raise
            if get_origin(field.annotation) not in {tuple, list, set, frozenset}:
                return value
            return [part.strip() for part in value.split(",") if part.strip()]


class ServiceSettings(BaseSettings):
    """What every service can be told by its environment, under its own prefix.

    A service subclasses it, sets `env_prefix` and adds its own fields. `ORDERS_DATABASE__URL` is
    the field `url` of the section `database` of the service whose prefix is `ORDERS_`. A list is
    written as JSON or with commas, nothing at all as `null`.

    Raises:
        InvalidSettings: a value breaks a rule, a name under the prefix is unknown, or production
            has a password of a developer's machine.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_nested_delimiter="__",
        env_parse_none_str="null",
        nested_model_default_partial_update=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    name: str
    """The service's name in logs, spans and metrics (`service.name`)."""
    version: str = "0.1.0"
    """The service's version (`service.version`). An image says that of its build, in
    CHASSIS_VERSION, which serves where this is not set."""
    environment: Literal["development", "test", "staging", "production"] = "development"
    """Where it runs (`deployment.environment.name`); production hides the API docs."""

    server: ServerSettings = ServerSettings()
    client_address: ClientAddressSettings = ClientAddressSettings()
    tracing: TracingSettings = TracingSettings()
    logs: LogsSettings = LogsSettings()
    metrics: MetricsSettings = MetricsSettings()
    security_headers: SecurityHeadersSettings = SecurityHeadersSettings()
    cors: CorsSettings = CorsSettings()
    compression: CompressionSettings = CompressionSettings()
    trusted_hosts: TrustedHostsSettings = TrustedHostsSettings()
    load: LoadSettings = LoadSettings()
    rate_limit: RateLimitSettings = RateLimitSettings()
    body_limit: BodyLimitSettings = BodyLimitSettings()
    deadline: DeadlineSettings = DeadlineSettings()
    health: HealthSettings = HealthSettings()
    redis: RedisSettings = RedisSettings()
    database: DatabaseSettings = DatabaseSettings()
    auth: AuthSettings = AuthSettings()
    cache: CacheSettings = CacheSettings()
    idempotency: IdempotencySettings = IdempotencySettings()
    outbox: OutboxSettings = OutboxSettings()
    pagination: PaginationSettings = PaginationSettings()
    clients: dict[str, ClientSettings] = {}
    """The services that this one calls, by the name that a route gives to `client("users")`."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - ours stands in its place
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where settings come from, the first that has one wins."""
        version = os.environ.get("CHASSIS_VERSION")
        of_image = InitSettingsSource(settings_cls, {"version": version} if version else {})
        given = init_settings, _Environment(settings_cls), dotenv_settings, file_secret_settings
        return *given, of_image

    def __init__(self, **values: Any) -> None:
        """Read the environment; `values` win over it."""
        _refuse_unknown_names(type(self))
        try:
            super().__init__(**values)
        except ValidationError as error:
            rules = _broken(type(self), error)
            raise InvalidSettings(f"invalid settings: {'; '.join(rules)}", rules) from None
        if self.environment == "production" and (known := list(_known_to_all(self))):
            names = ", ".join(env_prefix(type(self)) + "__".join(path).upper() for path in known)
            raise InvalidSettings(f"production needs a value of its own for {names}")


def env_prefix(settings: type[BaseSettings]) -> str:
    """Return what the variables of a settings class start with, such as `ORDERS_`."""
    return settings.model_config.get("env_prefix", "").upper()


def _refuse_unknown_names(settings: type[BaseSettings]) -> None:
    prefix = env_prefix(settings)
    if not prefix:
        return
    fields = [field.upper() for field in settings.model_fields]
    for variable, value in sorted(os.environ.items()):
        rest = variable.upper().removeprefix(prefix)
        field = rest.partition("__")[0]
        link = _SERVICE_LINK.fullmatch(f"{rest}={value}")
        if rest == variable.upper() or field in fields or link:
            continue
        raise InvalidSettings(f"unknown setting {variable}{_hint(prefix, field, fields)}")


def _known_to_all(value: Any, *path: str) -> Iterator[tuple[str, ...]]:
    if isinstance(value, SecretStr) and _KNOWN_TO_ALL.fullmatch(value.get_secret_value()):
        yield path
    if isinstance(value, BaseModel | Mapping):
        for name, inner in value.items() if isinstance(value, Mapping) else value:
            yield from _known_to_all(inner, *path, name)


def _hint(prefix: str, name: str, names: Iterable[str]) -> str:
    question = did_you_mean(name, names, shown=lambda close: prefix + close)
    return f"; {question}" if question else ""


def _broken(settings: type[BaseSettings], error: ValidationError) -> list[str]:
    prefix = env_prefix(settings)
    rules = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        path = [str(part) for part in problem["loc"]]
        if path and path[0] in settings.model_fields:
            name = prefix + "__".join(path).upper()
        else:
            name = "__".join(path).upper() or "settings"
        if problem["type"] == "extra_forbidden":
            rules.append(f"unknown setting {name}{_sibling(settings, prefix, path)}")
        else:
            rules.append(f"{name}: {problem['msg']}")
    return rules


def _sibling(settings: type[BaseSettings], prefix: str, path: list[str]) -> str:
    section, name = path[0], path[-1]
    field = settings.model_fields.get(section)
    fields = getattr(field and field.annotation, "model_fields", {})
    return _hint(f"{prefix}{section}__".upper(), name.upper(), (field.upper() for field in fields))
