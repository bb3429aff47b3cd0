"""Settings, each as the environment variable that it is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from chassis_core.cli.explained.words import shown, taken
from chassis_core.settings import ServiceSettings

ANY = "<name>"
"""Stands in a path for a name that whoever writes the variable chooses, as of a client."""
PREFIX = "<SERVICE>_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One knob.

    Attributes:
        path: its names from the outside in, such as `rate_limit`, `default`.
        takes: which values it takes, in words.
        default: what it is without the variable.
        says: its meaning, unit and reason.
    """

    path: tuple[str, ...]
    takes: str
    default: str
    says: str

    def variable(self, prefix: str = PREFIX) -> str:
        """Return the variable of the service with this prefix."""
        return prefix + "__".join(self.path).upper()

    def is_at(self, names: Sequence[str]) -> bool:
        """Whether these names, in lower case, lead to it, or to an entry of it, a mapping."""
        entry = [(*self.path, ANY)] if self.takes.startswith("mapping") else []
        return any(
            len(path) == len(names) and all(a in {ANY, b} for a, b in zip(path, names, strict=True))
            for path in [self.path, *entry]
        )


@cache
def all_settings(service: type[ServiceSettings] = ServiceSettings) -> tuple[Setting, ...]:
    """Return the settings of a service; of the chassis, if none is named."""
    return tuple(_below(service))


def _below(
    model: type[BaseModel], path: tuple[str, ...] = (), given: BaseModel | None = None
) -> Iterator[Setting]:
    # `given` has the defaults, where they are not those of the model.
    schemas = model.model_json_schema()["properties"]
    for name, field in model.model_fields.items():
        here = (*path, name)
        default = getattr(given, name) if given else field.get_default(call_default_factory=False)
        if section := section_of(field.annotation):
            yield from _below(section, here, default if isinstance(default, section) else None)
            continue
        takes, says = taken(schemas[name]), field.description or ""
        if member := _member_of(field.annotation):
            takes = "mapping of names to sections"
        yield Setting(here, takes, shown(default), " ".join(says.split()))
        if member:
            yield from _below(member, (*here, ANY))


def section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the model of a section, or None if the field is a single setting."""
    return (
        annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
    )


def _member_of(annotation: Any) -> type[BaseModel] | None:
    return section_of(get_args(annotation)[1]) if get_origin(annotation) is dict else None
