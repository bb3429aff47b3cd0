"""`./dev images [SERVICE...]`: builds the image of each service by the one Dockerfile."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from dev.console import Trouble, ok
from dev.ports import ROOT, SERVICES, port

PINS = ROOT / "deploy" / "images.env"
BASES = ("PYTHON_IMAGE", "UV_IMAGE")
_BUILDKIT = {"DOCKER_BUILDKIT": "1"}


class NoEngine(Trouble):
    """No Docker engine can be used; the text says what is missing."""


def main(arguments: Sequence[str]) -> int:
    """Build the images of the services that are named, or of all."""
    if unknown := set(arguments) - set(SERVICES):
        raise Trouble(f"no service {', '.join(sorted(unknown))}; there are {', '.join(SERVICES)}")
    for service in arguments or SERVICES:
        build(service)
        ok(tag(service))
    return 0


def images(given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the images that the platform stands on, by name; what is given wins over the pins."""
    lines = (line for line in PINS.read_text("utf-8").splitlines() if line[:1] not in {"", "#"})
    pins = (line.split("=", 1) for line in lines)
    return {name: given.get(name) or pin for name, pin in pins}


def tag(service: str) -> str:
    """Return the name under which the image of a service is built."""
    return f"chassis/{service}:dev"


def build(service: str) -> str:
    """Build the image of a service and return its id, which no later build can move.

    Raises:
        NoEngine: nothing can build it here.
        Trouble: the build failed.
    """
    arguments = {
        "SERVICE": service,
        "PORT": str(port({}, service)),
        "ADMIN_PORT": str(port({}, service, admin=True)),
        "VERSION": version(service),
        "REVISION": _revision(),
    } | {name: images()[name] for name in BASES}
    options = [part for item in arguments.items() for part in ("--build-arg", "=".join(item))]
    command = [client(), "build", "--quiet", "--tag", tag(service), *options, str(ROOT)]
    built = subprocess.run(
        command, env=os.environ | _BUILDKIT, capture_output=True, text=True, check=False
    )
    if built.returncode:
        raise Trouble(f"the image of {service} cannot be built: {built.stderr[-4000:]}")
    return built.stdout.strip()


def client() -> str:
    """Return the first docker client of PATH that builds with BuildKit on an engine that answers.

    Raises:
        NoEngine: there is none.
    """
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    clients = [path for folder in folders if os.access(path := Path(folder, "docker"), os.X_OK)]
    if not clients:
        raise NoEngine("there is no docker on PATH: install Docker Engine 20.10 or newer")
    if not any(_succeeds(client, "info") for client in clients):
        raise NoEngine("no Docker engine answers: start one, and see that `docker info` works")
    for client in clients:
        if _succeeds(client, "build", "--help"):
            return str(client)
    raise NoEngine("docker has no BuildKit: install its buildx plug-in")


def _succeeds(client: Path, *arguments: str) -> bool:
    command = [str(client), *arguments]
    done = subprocess.run(command, env=os.environ | _BUILDKIT, capture_output=True, check=False)
    return done.returncode == 0


def _revision() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "unknown"
