"""The services that are installed beside the library, by the entry points that they declare."""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

from chassis_core.compose import App
from chassis_core.nearest import did_you_mean

GROUP = "chassis.services"
"""The entry-point group in which a service names its app factory: `orders = "orders.main:app"`."""


def services() -> dict[str, EntryPoint]:
    """Return the entry points of the services, by name."""
    return {entry.name: entry for entry in sorted(entry_points(group=GROUP))}


def factory(name: str) -> Callable[[], App]:
    """Return what makes the apps of the service `name`.

    Raises:
        SystemExit: no service of the name is installed; the text names those that are.
    """
    found = services()
    if name not in found:
        hint = did_you_mean(name, found) or f"there are: {', '.join(sorted(found))}"
        raise SystemExit(f"no service {name!r} is installed; {hint}")
    made: Callable[[], App] = found[name].load()
    return made
