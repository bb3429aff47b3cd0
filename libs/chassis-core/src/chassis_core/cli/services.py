"""Makes the app of an installed service, for the commands that work on one."""

from chassis_core.compose import App
from chassis_core.installed import GROUP, factory

__all__ = ["GROUP", "create"]


def create(name: str) -> App:
    """Return a new app of the service `name`.

    Raises:
        SystemExit: no service of the name is installed; the text names those that are.
    """
    return factory(name)()
