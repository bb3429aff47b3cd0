"""A setting by its variable, and a section of them."""

import os
from collections.abc import Iterator

from chassis_core.cli.explained import concerns, installed
from chassis_core.cli.explained.page import Page
from chassis_core.cli.explained.settings import PREFIX, Setting, all_settings, section_of
from chassis_core.contract import prefix_of
from chassis_core.settings import ServiceSettings


def names() -> Iterator[str]:
    """Return the variables of the chassis and of every installed service."""
    yield from (setting.variable() for setting in all_settings())
    for service in installed.services():
        yield from (one.variable(prefix_of(service)) for one in _of(service))


def find(thing: str) -> str | None:
    """Return the variable that is meant by `ORDERS_RATE_LIMIT__DEFAULT`, `rate_limit.default`…"""
    prefix, setting, variable = _read(thing)
    own_name = not prefix and variable.lower() in concerns.standard()
    return prefix + variable if setting and not own_name else None


def page(variable: str) -> Page:
    """Explain the setting whose variable this is."""
    prefix, setting, rest = _read(variable)
    assert setting is not None  # noqa: S101 - `find` has found it
    prefixes = [prefix] if prefix else [prefix_of(one) for one in installed.services()]
    return {
        "kind": "setting",
        "name": (prefix or PREFIX) + rest,
        "takes": setting.takes,
        "default": setting.default,
        "means": setting.says,
        "set here": ", ".join(f"{one}{rest}: {_set(one + rest)}" for one in prefixes) or "-",
        "section": setting.path[0] if len(setting.path) > 1 else "-",
    }


def section(thing: str) -> str | None:
    """Return the section that is meant by `server` or `ORDERS_RATE_LIMIT`."""
    prefix, rest = _split(thing)
    known = rest.lower() in ServiceSettings.model_fields
    has_fields = known and section_of(ServiceSettings.model_fields[rest.lower()].annotation)
    alone = prefix or rest.lower() not in concerns.standard()
    return rest.lower() if has_fields and alone else None


def section_page(name: str) -> Page:
    """Explain a section of settings."""
    model = section_of(ServiceSettings.model_fields[name].annotation)
    rows = [concerns.row(setting) for setting in concerns.settings(name)]
    says = (model.__doc__ or "") if model else ""
    return {"kind": "section", "name": name, "says": says, "settings": rows}


def _read(thing: str) -> tuple[str, Setting | None, str]:
    prefix, rest = _split(thing)
    service = next((one for one in installed.services() if prefix_of(one) == prefix), "")
    settings = _of(service) if service else all_settings()
    path = tuple(rest.lower().split("__"))
    return prefix, next((one for one in settings if one.fits(path)), None), rest


def _split(thing: str) -> tuple[str, str]:
    variable = thing.upper().removeprefix(PREFIX).replace(".", "__")
    for service in installed.services():
        if variable.startswith(prefix := prefix_of(service)):
            return prefix, variable.removeprefix(prefix)
    return "", variable


def _of(service: str) -> tuple[Setting, ...]:
    return all_settings(installed.settings_class(service))


def _set(variable: str) -> str:
    return "yes" if variable in map(str.upper, os.environ) else "no"
