"""What on the engine belongs to this process, and its removal."""

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress

import docker
from docker.errors import NotFound
from testcontainers.core.config import ConnectionMode, testcontainers_config

OWNER = "chassis.e2e.owner"
"""The label that names the machine and the process that a container or network belongs to."""
VENDOR = "org.opencontainers.image.vendor=chassis"
"""The label by which images that a newer build replaced are known as ours."""
_MACHINE = socket.gethostname()
LABELS: Mapping[str, str] = {OWNER: f"{_MACHINE} {os.getpid()}"}
"""The labels of what this process owns."""


@contextmanager
def tidy() -> Iterator[None]:
    """Remove what dead processes of this machine left behind, and at the end what this one did.

    The reaper of testcontainers is off: it is one more image, and wants the engine's socket. What
    is published is on this machine's loopback, whatever testcontainers takes the machine for.
    """
    testcontainers_config.ryuk_disabled = True
    testcontainers_config.connection_mode_override = ConnectionMode.docker_host
    testcontainers_config.tc_host_override = "127.0.0.1"
    with closing(docker.from_env()) as engine:
        engine.images.prune(filters={"dangling": True, "label": VENDOR, "until": "1h"})
    _remove(_is_gone)
    try:
        yield
    finally:
        _remove(lambda process: process == os.getpid())


def _remove(is_left: Callable[[int], bool]) -> None:
    with closing(docker.from_env()) as engine:
        ours = {"label": OWNER}
        containers = engine.containers.list(all=True, filters=ours)
        for thing in [*containers, *engine.networks.list(filters=ours)]:
            labels = thing.attrs.get("Labels") or thing.attrs.get("Config", {}).get("Labels", {})
            machine, _, process = labels[OWNER].rpartition(" ")
            if machine == _MACHINE and is_left(int(process)):
                with suppress(NotFound):
                    thing.remove(**({"force": True, "v": True} if thing in containers else {}))


def _is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError as error:
        return isinstance(error, ProcessLookupError)
    return False
