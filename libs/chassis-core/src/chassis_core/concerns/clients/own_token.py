"""The token of this service itself, by client credentials (RFC 6749 §4.4)."""

import asyncio
import contextvars
import time
from base64 import b64encode
from collections.abc import Callable
from typing import Annotated
from urllib.parse import quote_plus

import httpx2
from pydantic import BaseModel, Field, SecretStr, ValidationError

from chassis_core.concerns.clients.failure import CallFailed, out_of_time, without_token
from chassis_core.concerns.clients.settings import ClientSettings
from chassis_core.concerns.clients.wire import Wire

COOL_DOWN = 1.0
"""Seconds between two fetches at least: whoever refuses us is not flooded."""
MARGIN = 30.0
"""Seconds before its end that a token is no longer sent, if it lives long enough."""


class TokenAnswer(BaseModel):
    """What a token endpoint answers (RFC 6749 §5.1)."""

    access_token: Annotated[str, Field(pattern=r"^[A-Za-z0-9._~+/=-]+$", max_length=8192)]
    token_type: Annotated[str, Field(pattern=r"^(?i:bearer)$")]
    expires_in: Annotated[int, Field(gt=0)] = 60


class OwnToken:
    """A token fetched once for all calls, and anew in the background before it ends.

    Args:
        name: of the service that is called, for errors.
        settings: where the token is had, and by whom.
        wire: to the token endpoint, and closed with this.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        name: str,
        settings: ClientSettings,
        wire: Wire,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._settings = settings
        self._wire = wire
        self._clock = clock
        self._value: str | None = None
        self._fetched = self._due = self._ends = float("-inf")
        self._flight: asyncio.Task[str] | None = None

    async def header(self, within: float) -> str:
        """Return the header of a token that is good for a while.

        Raises:
            CallFailed: there is none to be had.
        """
        now, cooling = self._clock(), self._cooling()
        if self._value is not None and now < self._ends:
            if now >= self._due and not cooling:
                self._fetch()
            return self._value
        if self._flight is None and cooling:
            raise without_token(self._name)
        try:
            async with asyncio.timeout(within):
                return await asyncio.shield(self._fetch())
        except TimeoutError as error:
            raise CallFailed(out_of_time(self._name), "token", counts=False) from error

    def refused(self, header: str | None) -> bool:
        """Drop a token that was answered 401, unless it has only just been fetched."""
        if header != self._value:
            return True
        if self._cooling():
            return False
        self._value = None
        return True

    async def aclose(self) -> None:
        """Give up a fetch in flight, and close the connections."""
        if (flight := self._flight) is not None:
            flight.cancel()
            await asyncio.gather(flight, return_exceptions=True)
        await self._wire.aclose()

    def _cooling(self) -> bool:
        return self._clock() < self._fetched + COOL_DOWN

    def _fetch(self) -> asyncio.Task[str]:
        if self._flight is None:
            # Not in the context of whoever came first: its deadline is not that of the others.
            self._flight = asyncio.create_task(self._load(), context=contextvars.Context())
            self._flight.add_done_callback(self._landed)
        return self._flight

    def _landed(self, flight: asyncio.Task[str]) -> None:
        self._flight = None
        if not flight.cancelled():
            flight.exception()  # a renewal that nobody waits for fails in silence

    async def _load(self) -> str:
        try:
            response = await self._wire.send(token_request(self._settings), self._settings.timeout)
            answer = TokenAnswer.model_validate_json(response.content)
        except ValidationError as error:
            raise without_token(self._name) from error
        finally:
            self._fetched = self._clock()
        margin = min(MARGIN, answer.expires_in / 4)
        self._ends = self._fetched + answer.expires_in - margin
        self._due = self._ends - margin
        self._value = f"Bearer {answer.access_token}"
        return self._value


def token_request(settings: ClientSettings) -> httpx2.Request:
    """Return the request for a token by client credentials."""
    secret = settings.client_secret or SecretStr("")
    pair = f"{quote_plus(settings.client_id or '')}:{quote_plus(secret.get_secret_value())}"
    form = {"grant_type": "client_credentials"}
    if settings.scope is not None:
        form["scope"] = settings.scope
    basic = b64encode(pair.encode()).decode()
    return httpx2.Request(
        "POST",
        settings.token_url or "",
        data=form,
        headers={"Authorization": f"Basic {basic}"},
    )
