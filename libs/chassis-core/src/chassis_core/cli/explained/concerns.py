"""A concern: where it stands, what it can be told, what it measures and answers."""

import inspect
from functools import cache
from importlib import import_module
from types import ModuleType

from pydantic_settings import SettingsConfigDict

import chassis_core
from chassis_core import app as front_door
from chassis_core import concern
from chassis_core.cli.explained import sources
from chassis_core.cli.explained.page import Page, Row
from chassis_core.cli.explained.settings import PREFIX, Setting, all_settings
from chassis_core.concern import Concern, Layer
from chassis_core.concerns.cors import CorsSettings
from chassis_core.settings import ServiceSettings


class _Defaults(ServiceSettings):
    # A prefix of nobody, so that no environment is read.
    model_config = SettingsConfigDict(env_prefix="CHASSIS_EXPLAINED_")

    name: str = "service"


@cache
def defaults() -> ServiceSettings:
    """Return the settings of a service that is told nothing."""
    return _Defaults()


@cache
def standard() -> dict[str, Concern]:
    """Return the standard concerns by name, in the order in which they start."""
    # Without an origin there is no CORS layer.
    settings = _Defaults(cors=CorsSettings(allow_origins=("https://example.org",)))
    return {one.name: one for one in front_door.standard(settings)}


def layers() -> dict[str, str]:
    """Return the layers, outermost first, each with the concern that stands in it, or ""."""
    owners = {layer: one.name for one in standard().values() for layer in one.middleware}
    return {layer.name: owners.get(layer, "") for layer in Layer}


def page(name: str) -> Page:
    """Explain the concern `name`."""
    return {
        "kind": "concern",
        "name": name,
        "says": summary(name),
        "layer": ", ".join(layer.name for layer in standard()[name].middleware) or "none",
        "code": _module(name).__name__,
        "gives": gives(name),
        "settings": [row(setting) for setting in settings(name)],
        "metrics": metrics("chassis_core", name),
        "problems": problems("chassis_core", name),
    }


def layer_page(name: str) -> Page:
    """Explain the layer `name`."""
    order = list(layers())
    place = order.index(name)
    return {
        "kind": "layer",
        "name": name,
        "says": f"layer {place + 1} of {len(order)} on the wire; the first sees a request first",
        "concern": layers()[name] or "a service's own",
        "outside": ", ".join(order[:place]) or "-",
        "inside": ", ".join(order[place + 1 :]) or "-",
    }


def summary(name: str) -> str:
    """Return what a concern is, in a sentence."""
    return inspect.cleandoc(_module(name).__doc__ or "").partition("\n\n")[0]


def gives(name: str) -> str:
    """Return the public names that a service takes from a concern."""
    inside = vars(_module(name))
    public = {one: getattr(chassis_core, one) for one in chassis_core.__all__}
    own = [one for one, value in public.items() if inside.get(one) is value]
    return ", ".join(one for one in own if one not in vars(concern))


def settings(name: str) -> list[Setting]:
    """Return the settings in the section of a concern."""
    return [one for one in all_settings() if one.path[0] == name]


def row(setting: Setting, prefix: str = PREFIX) -> Row:
    """Return a setting as a row of a table."""
    return {
        "variable": f"{setting.variable(prefix)} = {setting.default}",
        "meaning": f"{setting.says} ({setting.takes})",
    }


def metrics(package: str, part: str = "") -> list[Row]:
    """Return what a package measures, or a part of it, with the labels."""
    return [
        {"metric": name + call.labelled, "meaning": " ".join(call.texts[1:])}
        for name, call in sources.metrics(package)
        if part in {"", call.concern}
    ]


def problems(package: str, part: str = "") -> list[Row]:
    """Return the problems that a package answers with, or a part of it."""
    found = sorted(sources.problems(package), key=lambda pair: pair[0])
    return [
        {"status": str(status), "when": call.when}
        for status, call in found
        if part in {"", call.concern}
    ]


def _module(name: str) -> ModuleType:
    path: str = getattr(front_door, name).__module__
    return import_module(".".join(path.split(".")[:3]))
