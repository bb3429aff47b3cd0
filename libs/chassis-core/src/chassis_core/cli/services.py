"""What commands share: how a service is named, its app, where it listens, and JSON."""

import json
from typing import Annotated, Any

import typer

from chassis_core.compose import App
from chassis_core.installed import factory
from chassis_core.settings import ServerSettings, ServiceSettings

ServiceName = Annotated[
    str, typer.Argument(envvar="CHASSIS_SERVICE", help="The service's name, such as orders.")
]
Host = Annotated[str | None, typer.Option(envvar="CHASSIS_HOST", help="Address of both listeners.")]
Port = Annotated[int | None, typer.Option(min=0, max=65535, help="Port of the public listener.")]
AdminPort = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Port of the admin listener.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]


def create(name: str) -> App:
    """Return a new app of the service `name`.

    Raises:
        SystemExit: no service of the name is installed; the text names those that are.
    """
    return factory(name)()


def listening(settings: ServiceSettings, **said: object) -> ServiceSettings:
    """Return the settings with what the command line says of the listeners, None aside."""
    chosen = {name: value for name, value in said.items() if value is not None}
    server = ServerSettings(**settings.server.model_dump() | chosen)
    return settings.model_copy(update={"server": server})


def as_json(value: Any) -> str:
    """Return what `AsJson` asks for, readable by people too."""
    return json.dumps(value, indent=2, ensure_ascii=False)
