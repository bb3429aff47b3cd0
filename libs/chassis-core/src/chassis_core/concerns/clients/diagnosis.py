"""What is wrong with the services that this one calls, for `chassis doctor`."""

import asyncio
import re
from collections.abc import Mapping, Sequence

import httpx2
from pydantic import ValidationError

from chassis_core.concern import Fault
from chassis_core.concerns.clients.own_token import TokenAnswer, token_request
from chassis_core.concerns.clients.settings import ClientSettings
from chassis_core.reach import address, silence, unreachable

_ERROR = re.compile(rb'"error"\s*:\s*"(\w{1,40})"')


async def diagnose(
    clients: Mapping[str, ClientSettings],
    transport: httpx2.AsyncBaseTransport | None,
    within: float,
) -> Sequence[Fault]:
    """Return what is wrong with any of them, after `within` seconds of waiting for one at most."""
    async with httpx2.AsyncClient(transport=transport, trust_env=False, timeout=None) as sender:
        looks = [_service(sender, *client, within) for client in clients.items()]
        own = {name: each for name, each in clients.items() if each.auth == "service"}
        looks += [_token(sender, *client, within) for client in own.items()]
        return [fault for fault in await asyncio.gather(*looks) if fault is not None]


async def _service(
    sender: httpx2.AsyncClient, name: str, settings: ClientSettings, within: float
) -> Fault | None:
    # Any answer of its own will do: which paths it has is not known here.
    answer = await _sent(sender, httpx2.Request("GET", settings.url), within)
    if isinstance(answer, httpx2.Response) and answer.status_code < httpx2.codes.BAD_GATEWAY:
        return None
    fix = f"start {name} or see its log, or correct {_variable(name, 'URL')}"
    if isinstance(answer, httpx2.Response):
        return Fault(f"{name}: {settings.url} answers {answer.status_code}", fix)
    return Fault(f"{name}: {answer}", fix)


async def _token(
    sender: httpx2.AsyncClient, name: str, settings: ClientSettings, within: float
) -> Fault | None:
    answer = await _sent(sender, token_request(settings), within)
    what = f"no token for calls of {name}"
    if not isinstance(answer, httpx2.Response):
        return Fault(f"{what}: {answer}", f"correct {_variable(name, 'TOKEN_URL')}")
    if answer.is_success:
        try:
            TokenAnswer.model_validate_json(answer.content)
        except ValidationError:
            fix = f"correct {_variable(name, 'TOKEN_URL')}"
            return Fault(f"{what}: {settings.token_url} answers something else", fix)
        return None
    code = _ERROR.search(answer.content)
    said = f"{answer.status_code}{f' ({code[1].decode()})' if code else ''}"
    if answer.is_client_error:
        fix = f"set {_variable(name, 'CLIENT_ID')} and {_variable(name, 'CLIENT_SECRET')}"
        return Fault(f"{what}: the credentials are refused with {said}", fix)
    return Fault(f"{what}: {settings.token_url} answers {said}", "see the log of who issues it")


async def _sent(
    sender: httpx2.AsyncClient, request: httpx2.Request, within: float
) -> httpx2.Response | str:
    """Return the answer, or in a few words why there is none."""
    place = address(str(request.url))
    try:
        async with asyncio.timeout(within):
            return await sender.send(request)
    except TimeoutError:
        return await silence(*place, within)
    except httpx2.HTTPError:
        away = await unreachable(*place, within)
        return away or f"{place[0]}:{place[1]} breaks the connection: its certificate?"


def _variable(name: str, field: str) -> str:
    return f"<SERVICE>_CLIENTS__{name.upper()}__{field}"
