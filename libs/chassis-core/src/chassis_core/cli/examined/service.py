"""The whole of a service: its settings, its app, the concerns of it, its process."""

import re
from collections.abc import Iterable
from dataclasses import replace

from chassis_core.cli.examined import Examined, concerns, process
from chassis_core.cli.services import create
from chassis_core.compose import App
from chassis_core.concern import Fault
from chassis_core.redaction import one_line, scrub
from chassis_core.settings import InvalidSettings, ServiceSettings, env_prefix

_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b")


def assembled(name: str) -> App | Examined:
    """Return the app of a service, or why there is none."""
    try:
        return create(name)
    except InvalidSettings as error:
        return Examined("settings", [Fault(rule, _explained(rule)) for rule in error.rules])
    except Exception as error:  # noqa: BLE001 - that it cannot be made is the finding
        return Examined("app", [Fault(one_line(error), "see the code of the service")])


async def examine(app: App, settings: ServiceSettings, within: float) -> list[Examined]:
    """Look at what an app needs, which is not started.

    Args:
        app: of the service.
        settings: of it, with where the instance listens that is looked for.
        within: seconds that each thing may take that is asked.
    """
    found = await concerns.examine(app.concerns, within)
    ill = {one.part for one in found if one.faults}
    found = [Examined("settings"), *found, await process.examine(settings, ill, within)]
    prefix, name = env_prefix(type(app.settings)), app.settings.name
    return [replace(one, faults=_named(one.faults, prefix, name)) for one in found]


def _explained(rule: str) -> str:
    if (variable := _VARIABLE.search(rule)) is None:
        return "see docs/settings.md"
    return f"`chassis explain {variable[0]}` says what it takes"


def _named(faults: Iterable[Fault], prefix: str, name: str) -> list[Fault]:
    def named(text: str) -> str:
        return scrub(text.replace("<SERVICE>_", prefix).replace("<service>", name))

    return [Fault(named(fault.what), named(fault.fix), fault.warning) for fault in faults]
