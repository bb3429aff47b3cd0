"""A setting by its variable, and a section of them."""

import os
from collections.abc import Iterator

from pydantic import BaseModel

from chassis_core.cli.explained import concerns, installed
from chassis_core.cli.explained.page import Page
from chassis_core.cli.explained.settings import PREFIX, Setting, all_settings, section_of
from chassis_core.contract import prefix_of
from chassis_core.settings import ServiceSettings


def names() -> Iterator[str]:
    """Return the variables of the chassis and of every installed service."""
    for service in ("", *installed.services()):
        yield from (setting.variable(_prefix(service)) for setting in _settings(service))


def find(thing: str) -> str | None:
    """Return the variable that is meant by `ORDERS_RATE_LIMIT__DEFAULT`, `rate_limit.default`…"""
    service, name = _read(thing)
    return _prefix(service) + name.upper() if _kind(service, name) == "setting" else None


def page(variable: str) -> Page:
    """Explain the setting whose variable this is."""
    service, name = _read(variable)
    setting = _setting(service, name)
    assert setting is not None  # noqa: S101 - `find` has found it
    services = [service] if service else installed.services()
    here = [_prefix(one) + name.upper() for one in services]
    return {
        "kind": "setting",
        "name": _prefix(service) + name.upper(),
        "takes": setting.takes,
        "default": setting.default,
        "means": setting.says,
        "set here": ", ".join(f"{one}: {_is_set(one)}" for one in here) or "-",
        "section": setting.path[0] if len(setting.path) > 1 else "-",
    }


def section(thing: str) -> str | None:
    """Return the section that is meant by `server` or `ORDERS_RATE_LIMIT`."""
    service, name = _read(thing)
    return name if _kind(service, name) == "section" else None


def section_page(name: str) -> Page:
    """Explain a section of settings."""
    model = _section(name)
    rows = [concerns.row(setting) for setting in concerns.settings(name)]
    says = (model.__doc__ or "") if model else ""
    return {"kind": "section", "name": name, "says": says, "settings": rows}


def _kind(service: str, name: str) -> str:
    """Return what is meant by a name: the first of these that there is, or ""."""
    candidates = {
        "concern": not service and name in concerns.standard(),  # else its settings are meant
        "section": _section(name) is not None,
        "setting": _setting(service, name) is not None,
    }
    return next((kind for kind, there in candidates.items() if there), "")


def _read(thing: str) -> tuple[str, str]:
    """Return the service that is named, or "", and the name, as `rate_limit__default`."""
    variable = thing.upper().removeprefix(PREFIX).replace(".", "__")
    for service in installed.services():
        if variable.startswith(prefix := prefix_of(service)):
            return service, variable.removeprefix(prefix).lower()
    return "", variable.lower()


def _section(name: str) -> type[BaseModel] | None:
    field = ServiceSettings.model_fields.get(name)
    return section_of(field.annotation) if field else None


def _setting(service: str, name: str) -> Setting | None:
    names = name.split("__")
    return next((one for one in _settings(service) if one.is_at(names)), None)


def _settings(service: str) -> tuple[Setting, ...]:
    return all_settings(installed.settings_class(service)) if service else all_settings()


def _prefix(service: str) -> str:
    return prefix_of(service) if service else PREFIX


def _is_set(variable: str) -> str:
    return "yes" if variable in map(str.upper, os.environ) else "no"
