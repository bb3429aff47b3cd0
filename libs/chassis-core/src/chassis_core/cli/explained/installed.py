"""The services that are installed, without running them."""

from collections.abc import Iterator
from typing import TypeVar

from chassis_core.installed import services
from chassis_core.settings import ServiceSettings

__all__ = ["package", "services", "settings_class", "subclasses"]

T = TypeVar("T")


def package(service: str) -> str:
    """Return the package of an installed service."""
    return services()[service].module.partition(".")[0]


def settings_class(service: str) -> type[ServiceSettings]:
    """Return the settings class of a service, without reading its environment."""
    services()[service].load()
    own = (
        kind
        for kind in subclasses(ServiceSettings)
        if kind.__module__.startswith(package(service) + ".")
    )
    return next(own, ServiceSettings)


def subclasses(kind: type[T]) -> Iterator[type[T]]:
    """Yield the subclasses of a class, and theirs, as far as they are imported."""
    for narrower in kind.__subclasses__():
        yield narrower
        yield from subclasses(narrower)
