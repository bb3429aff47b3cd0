"""`chassis.toml`: which services there are, and who changes which files."""

import re
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

FILE = "chassis.toml"
Zone = Literal["immutable", "generated", "extensible", "open"]
"""Who changes a file: whoever owns the foundation, a command, whoever owns the service, anyone."""
PATTERNED: tuple[Zone, ...] = ("immutable", "generated", "extensible")
"""The zones that have patterns, in the order in which a path is asked for."""
NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,28}[a-z0-9])?")
"""A service's name: also the name of its package (with `_`), its Kubernetes objects (RFC 1123) and,
in capitals, the prefix of its settings."""


class ContractError(Exception):
    """The contract cannot be read; the text names the file, what is wrong with it, and the fix."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Member(_Part):
    """One service.

    Attributes:
        port: of its public listener, everywhere but in an ingress.
        admin_port: of its admin listener.
        exceptions: rules of `chassis check` that it may break, by name, each with the reason.
    """

    port: int = Field(ge=1024, le=65535)
    admin_port: int = Field(ge=1024, le=65535)
    exceptions: dict[str, Annotated[str, Field(min_length=20)]] = {}


class Boundaries(_Part):
    """Patterns of paths, relative to the root: `*` within a folder, `**` across folders."""

    immutable: tuple[str, ...] = ()
    generated: tuple[str, ...] = ()
    extensible: tuple[str, ...] = ()

    def zone(self, path: str) -> Zone:
        """Return the zone of a path: the first whose pattern takes it."""
        for zone in PATTERNED:
            if any(_pattern(one).fullmatch(path) for one in getattr(self, zone)):
                return zone
        return "open"


class Contract(_Part):
    """What stands on the chassis here, and who changes what."""

    services: dict[str, Member]
    boundaries: Boundaries = Boundaries()

    @field_validator("services")
    @classmethod
    def _refuse_clashes(cls, services: dict[str, Member]) -> dict[str, Member]:
        owners: dict[int, str] = {}
        for name, member in services.items():
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a service: a-z, 0-9 and - only, up to 30")
            for port in (member.port, member.admin_port):
                if port in owners:
                    raise ValueError(f"port {port} of {name} is one of {owners[port]} already")
                owners[port] = name
        return services


def package_of(service: str) -> str:
    """Return the name of the package that a service's code is in."""
    return service.replace("-", "_")


def prefix_of(service: str) -> str:
    """Return how the names of a service's settings begin, such as `ORDERS_`."""
    return f"{package_of(service).upper()}_"


def find_root(start: Path) -> Path:
    """Return the folder of the contract that holds for `start`: the nearest one above it.

    Raises:
        ContractError: there is none.
    """
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / FILE).is_file():
            return folder
    raise ContractError(f"there is no {FILE} in {start.resolve()} or above: go to a platform first")


def load(root: Path) -> Contract:
    """Return the contract in the folder `root`.

    Raises:
        ContractError: it is not there, is no TOML, or does not say what a contract says.
    """
    path = root / FILE
    try:
        return Contract.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ContractError(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ContractError(f"{path}: {place}: {first['msg']}") from error


@lru_cache(256)
def _pattern(glob: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/?|\*)", glob)
    across = {"**": ".*", "**/": "(?:.*/)?", "*": "[^/]*"}
    return re.compile("".join(across.get(part, re.escape(part)) for part in parts), re.DOTALL)
