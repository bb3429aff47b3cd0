"""Which services there are, where they listen, and whether anybody does."""

import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

from chassis_core.contract import ContractError, Member, load, prefix_of

from dev.console import Trouble

ROOT = Path(__file__).parents[4]


def _members() -> dict[str, Member]:
    try:
        found = load(ROOT).services
    except ContractError as error:
        raise Trouble(str(error)) from None
    return dict(sorted(found.items(), key=lambda item: item[0] != "users"))


_MEMBERS = _members()
SERVICES = tuple(_MEMBERS)
"""The services of `chassis.toml`, users first: the others verify its tokens."""


def setting(service: str, *, admin: bool = False) -> str:
    """Return the name of the setting that holds the port of a service's listener."""
    return f"{prefix_of(service)}SERVER__{'ADMIN_' if admin else ''}PORT"


def port(given: Mapping[str, str], service: str, *, admin: bool = False) -> int:
    """Return the port of a service's public or admin listener."""
    name, member = setting(service, admin=admin), _MEMBERS[service]
    try:
        return int(given.get(name, member.admin_port if admin else member.port))
    except ValueError:
        raise Trouble(f"{name} must be the number of a port") from None


def refuse_taken(given: Mapping[str, str]) -> None:
    """Raise `Trouble` if somebody listens where a service is to listen."""
    for service in SERVICES:
        for admin in (False, True):
            if _taken(number := port(given, service, admin=admin)):
                raise Trouble(
                    f"port {number} of {service} is taken: stop what listens there,"
                    f" or choose another with {setting(service, admin=admin)}=…"
                )


def answers(url: str) -> bool:
    """Tell whether a GET is answered with 200."""
    try:
        with urlopen(url, timeout=5) as response:  # noqa: S310 - our own loopback URL
            return bool(response.status == 200)
    except OSError:
        return False


def _taken(number: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return True
    return False
