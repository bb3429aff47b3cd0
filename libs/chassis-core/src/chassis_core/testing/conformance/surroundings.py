"""The environment in which a service is asked: production, a store of its own, no network."""

import os
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pydantic import SecretStr

from chassis_core.compose import App
from chassis_core.settings import InvalidSettings, ServiceSettings, env_prefix
from chassis_core.testing.issuer import Issuer

Factory = Callable[[], App]
_OURS = ("ENVIRONMENT", "DATABASE__", "REDIS__", "AUTH__", "LOGS__FORMAT", "PAGINATION__SECRET")
_HEX = re.compile(r"[0-9a-fA-F]{32,}")
_URL = re.compile(r"https?://")


@contextmanager
def surrounded(environment: Mapping[str, str]) -> Iterator[None]:
    """Let the process's environment be this one inside the block."""
    with patch.dict(os.environ, environment, clear=True):
        yield


def production(
    make: Factory, settings: ServiceSettings, *, folder: Path, issuer: Issuer | None
) -> dict[str, str]:
    """Return an environment in which `make` makes the service as it runs in production.

    What the service refuses to leave at its default there gets a value of the default's shape.

    Args:
        make: makes the service's app.
        settings: those that it has in the environment as it is.
        folder: for its database.
        issuer: whose tokens it is to believe; None leaves its own keys alone.

    Raises:
        InvalidSettings: it refuses a setting that is not named by its variable.
    """
    prefix = env_prefix(type(settings))
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(tuple(prefix + part for part in _OURS))
    }
    environment |= {f"{prefix}{name}": value for name, value in _own(folder, issuer).items()}
    while refusal := _refusal(make, environment):
        names = re.findall(rf"\b{prefix}[A-Z0-9_]+", str(refusal)) if prefix else []
        if not (wanted := [name for name in names if name not in environment]):
            raise refusal
        environment |= {name: _stand_in(_default(settings, name, prefix)) for name in wanted}
    return environment


def _own(folder: Path, issuer: Issuer | None) -> dict[str, str]:
    own = {
        "ENVIRONMENT": "production",
        "DATABASE__URL": f"sqlite:///{folder / 'service.db'}",
        "DATABASE__LOCK_TIMEOUT": "10",
        "REDIS__URL": "",
        "LOGS__FORMAT": "json",
        "PAGINATION__SECRET": secrets.token_urlsafe(48),
    }
    if issuer is None:
        return own
    return own | {
        "AUTH__MODE": "public_key",
        "AUTH__PUBLIC_KEY": issuer.public_key(),
        "AUTH__ISSUER": issuer.issuer,
        "AUTH__AUDIENCE": issuer.audience,
        "AUTH__ALGORITHMS": f'["{issuer.algorithm}"]',
        "AUTH__JWKS_URL": "",
        "AUTH__SECRET": "",
    }


def _refusal(make: Factory, environment: Mapping[str, str]) -> InvalidSettings | None:
    try:
        with surrounded(environment):
            make()
    except InvalidSettings as refusal:
        return refusal
    return None


def _default(settings: ServiceSettings, variable: str, prefix: str) -> str:
    value: Any = settings
    for part in variable.removeprefix(prefix).lower().split("__"):
        value = value.get(part) if isinstance(value, Mapping) else getattr(value, part, None)
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")


def _stand_in(default: str) -> str:
    if _URL.match(default):
        return f"https://{secrets.token_hex(4)}.invalid"
    if _HEX.fullmatch(default):
        return secrets.token_hex(len(default) // 2)
    return urlsafe_b64encode(secrets.token_bytes(32)).decode()
