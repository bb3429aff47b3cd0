"""What is wrong with where keys come from, for `chassis doctor`."""

import time
from collections.abc import Sequence

import httpx2

from chassis_core.concern import Fault
from chassis_core.concerns.auth.fetch import Fetched, FetchFailed, fetch, jwks_client
from chassis_core.concerns.auth.key_set import parse_key_set
from chassis_core.concerns.auth.settings import AuthSettings
from chassis_core.reach import address, silence, unreachable

URL_SETTING = "<SERVICE>_AUTH__JWKS_URL"
NO_MODE = Fault("no keys are set: every token is refused", "set <SERVICE>_AUTH__MODE", warning=True)
_WORDS = {
    "status": "does not answer 200",
    "redirect": "answers with a redirect, which is not followed",
    "encoding": "answers in a coding that was not asked for",
    "size": "answers more than <SERVICE>_AUTH__JWKS_MAX_BYTES",
}


async def diagnose(
    settings: AuthSettings, transport: httpx2.AsyncBaseTransport | None, within: float
) -> Sequence[Fault]:
    """Return what is wrong with the keys, after `within` seconds of waiting for it at most."""
    if settings.mode != "jwks":
        return [NO_MODE] if settings.mode == "none" else []
    patient = settings.model_copy(update={"jwks_timeout": within})
    try:
        async with jwks_client(transport) as client:
            fetched = await fetch(client, patient)
    except FetchFailed as failed:
        return [await _failed(str(settings.jwks_url), failed.outcome, within)]
    return [*_unusable(settings, fetched), *_other_time(settings, fetched)]


async def _failed(url: str, outcome: str, within: float) -> Fault:
    fix = f"start the issuer or see its log, or correct {URL_SETTING}"
    if outcome == "timeout":
        return Fault(f"the key set: {await silence(*address(url), within)}", fix)
    if outcome == "network":
        why = await unreachable(*address(url), within)
        return Fault(f"the key set: {why or 'the connection breaks: its certificate?'}", fix)
    return Fault(f"the key set: {url} {_WORDS[outcome]}", fix)


def _unusable(settings: AuthSettings, fetched: Fetched) -> list[Fault]:
    url, fix = settings.jwks_url, f"correct {URL_SETTING}"
    try:
        keys = parse_key_set(fetched.body, settings.accepted)
    except ValueError:
        return [Fault(f"{url} is no key set (JSON with a list of keys)", fix)]
    if keys:
        return []
    wanted = ", ".join(settings.accepted)
    what = f"{url} has no usable key for {wanted}"
    return [Fault(what, f"{fix}, or <SERVICE>_AUTH__ALGORITHMS")]


def _other_time(settings: AuthSettings, fetched: Fetched) -> list[Fault]:
    if fetched.clock is None:
        return []
    # It counts in whole seconds.
    apart = time.time() - fetched.clock
    if abs(apart) <= settings.leeway + 1:
        return []
    what = f"this machine's clock is {abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'}"
    fix = f"see to NTP on both: beyond <SERVICE>_AUTH__LEEWAY ({settings.leeway:g} s) tokens fail"
    return [Fault(f"{what} that of the issuer", fix)]
