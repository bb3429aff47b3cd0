"""One fetch of a key set, from a server that may be slow, wrong or hostile."""

import asyncio
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx2

from chassis_core.concerns.auth.settings import AuthSettings

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,9})(?:$|[,\s])", re.IGNORECASE)


class FetchFailed(Exception):
    """The fetch gave no key set.

    Attributes:
        outcome: why, one of a few words: the label of the metric.
    """

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch gave.

    Attributes:
        body: the key set.
        max_age: seconds for which the server calls it fresh.
        clock: the server's time, in seconds since 1970; None from a cache, and where it tells none.
    """

    body: bytes
    max_age: float | None
    clock: float | None = None


def jwks_client(transport: httpx2.AsyncBaseTransport | None) -> httpx2.AsyncClient:
    """Return the client for key sets: no redirects, no compression, no settings but ours."""
    return httpx2.AsyncClient(
        transport=transport,
        follow_redirects=False,
        trust_env=False,
        headers={"accept": "application/json", "accept-encoding": "identity"},
    )


async def fetch(client: httpx2.AsyncClient, settings: AuthSettings) -> Fetched:
    """Fetch the key set once.

    Raises:
        FetchFailed: no answer in time, or one that is not a plain 200 of a sane size.
    """
    try:
        async with asyncio.timeout(settings.jwks_timeout):
            return await _fetch(client, settings)
    except (TimeoutError, httpx2.TimeoutException):
        raise FetchFailed("timeout") from None
    except httpx2.HTTPError:
        raise FetchFailed("network") from None


async def _fetch(client: httpx2.AsyncClient, settings: AuthSettings) -> Fetched:
    url, limit = str(settings.jwks_url), settings.jwks_max_bytes
    async with client.stream("GET", url, timeout=settings.jwks_timeout) as response:
        if response.status_code != httpx2.codes.OK:
            raise FetchFailed("redirect" if response.is_redirect else "status")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise FetchFailed("encoding")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > limit:
                raise FetchFailed("size")
    fresh = _MAX_AGE.search(response.headers.get("cache-control", ""))
    return Fetched(bytes(body), float(fresh[1]) if fresh else None, _clock(response.headers))


def _clock(headers: httpx2.Headers) -> float | None:
    if "age" in headers:
        return None
    try:
        return parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (ValueError, OverflowError):
        return None
