"""The process of a service: one that runs here, or the ports that one would need."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

import httpx2

from chassis_core.cli.examined import Examined
from chassis_core.concern import Fault
from chassis_core.server import CannotStart, bind
from chassis_core.settings import ServiceSettings, env_prefix

_SILENT = (
    "if it is <service>, its loop is blocked (docs/runbooks/EventLoopBlocked.md); if not, stop it,"
    " or choose another by <SERVICE>_SERVER__ADMIN_PORT"
)
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where a wildcard is asked


async def examine(settings: ServiceSettings, ill: Collection[str], within: float) -> Examined:
    """Ask the instance that runs here how it is, or see whether one could listen.

    Args:
        settings: of the service.
        ill: the parts with faults that are told already.
        within: seconds for each answer.
    """
    base = _base(settings)
    async with httpx2.AsyncClient(base_url=base, trust_env=False, timeout=None) as admin:
        try:
            info = await _json(admin, "/info", within)
            if info.get("service", {}).get("name") != settings.name:
                return Examined("ports", _taken(settings))
            ready = await _json(admin, "/readyz", within)
        except TimeoutError:
            what = (
                f"what holds port {settings.server.admin_port} gives no answer within {within:g} s"
            )
            return Examined("ports", [Fault(what, _SILENT)])
        except (httpx2.HTTPError, ValueError, AttributeError):
            return Examined("ports", _taken(settings))
    checks = ready.get("checks", {})
    return Examined(
        "the instance here", [_unready(n, c) for n, c in checks.items() if _new(n, c, ill)]
    )


def _new(name: str, check: dict[str, str], ill: Collection[str]) -> bool:
    return check.get("status") != "ok" and name not in ill


def _unready(name: str, check: dict[str, str]) -> Fault:
    what = f"{name} is {check.get('status')}: {check.get('error', 'it is told to stop')}"
    return Fault(
        what, "from here it looks well: see its log for `readiness changed`, or restart it"
    )


def _taken(settings: ServiceSettings) -> Sequence[Fault]:
    faults = []
    for name in ("port", "admin_port"):
        try:
            bind(settings.server, name, prefix=env_prefix(type(settings))).close()
        except CannotStart as error:
            what, _, fix = str(error).partition(": ")
            faults.append(Fault(what, fix))
    return faults


def _base(settings: ServiceSettings) -> str:
    host = _EVERYWHERE.get(settings.server.host, settings.server.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.server.admin_port}"


async def _json(admin: httpx2.AsyncClient, path: str, within: float) -> Any:
    async with asyncio.timeout(within):
        return (await admin.get(path)).json()
