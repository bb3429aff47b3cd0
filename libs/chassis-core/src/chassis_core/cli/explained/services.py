"""A service: its routes, and what it does otherwise than the chassis does by default."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from chassis_core import migrations
from chassis_core.cli.explained import concerns, installed, sources
from chassis_core.cli.explained.page import Page, Row
from chassis_core.cli.explained.routes import routes_of
from chassis_core.cli.explained.settings import all_settings
from chassis_core.cli.explained.words import shown
from chassis_core.cli.services import create
from chassis_core.compose import App
from chassis_core.contract import prefix_of
from chassis_core.redaction import scrub
from chassis_core.settings import ServiceSettings


def page(name: str) -> Page:
    """Explain the service `name`: as it is with the environment of this process."""
    app = create(name)
    package = installed.package(name)
    prefix = prefix_of(name)
    server = app.settings.server
    return {
        "kind": "service",
        "name": name,
        "says": inspect.getdoc(import_module(installed.services()[name].module)) or "",
        "ports": f"{server.port} public, {server.admin_port} admin",
        "database": _database(app.settings),
        "concerns": ", ".join(_rendered(one.name) for one in app.concerns),
        "measures": ", ".join(_measured(app)),
        "routes": routes_of(app),
        "other than the chassis": _changed(app.settings, prefix),
        "own settings": _own_settings(type(app.settings), prefix),
        "own metrics": concerns.metrics(package),
        "own problems": concerns.problems(package),
    }


def _measured(app: App) -> list[str]:
    there = {one.name for one in app.concerns}
    return [name for name, call in sources.metrics("chassis_core") if call.concern in there]


def _rendered(concern: str) -> str:
    return concern if concern in concerns.standard() else f"{concern} (its own)"


def _database(settings: ServiceSettings) -> str:
    url = settings.database.address
    parts = (url.get_backend_name(), url.host, url.database or "in memory")
    where = " ".join(part for part in parts if part)
    folder: Path | None = migrations.migrations_of(type(settings))
    return f"{where}, migrations up to {migrations.head(folder)}" if folder else where


def _changed(settings: ServiceSettings, prefix: str) -> list[Row]:
    return [
        {"variable": prefix + "__".join(path).upper(), "value": scrub(shown(value))}
        for path, value, usual in _flat(settings, concerns.defaults())
        if value != usual
    ]


def _own_settings(settings: type[ServiceSettings], prefix: str) -> list[Row]:
    own = [one for one in all_settings(settings) if one.path[0] not in ServiceSettings.model_fields]
    return [concerns.row(one, prefix) for one in own]


def _flat(
    model: BaseModel, usual: BaseModel | None, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    for name, value in model:
        default = getattr(usual, name, type(model).model_fields[name].default)
        here = (*path, name)
        if isinstance(value, BaseModel):
            yield from _flat(value, default if isinstance(default, BaseModel) else None, here)
        elif isinstance(value, dict) and any(isinstance(one, BaseModel) for one in value.values()):
            for key, one in value.items():
                yield from _flat(one, None, (*here, key))
        else:
            yield here, value, default
