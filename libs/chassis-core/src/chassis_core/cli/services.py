"""What the commands that work on an installed service share: how it is named, and its app."""

from typing import Annotated

import typer

from chassis_core.compose import App
from chassis_core.installed import GROUP, factory

__all__ = ["GROUP", "Host", "ServiceName", "create"]

ServiceName = Annotated[
    str, typer.Argument(envvar="CHASSIS_SERVICE", help="The service's name, such as orders.")
]
Host = Annotated[str | None, typer.Option(envvar="CHASSIS_HOST", help="Address of both listeners.")]


def create(name: str) -> App:
    """Return a new app of the service `name`.

    Raises:
        SystemExit: no service of the name is installed; the text names those that are.
    """
    return factory(name)()
