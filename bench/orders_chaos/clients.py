"""Clients who send each order twice at once, and again until it is placed."""

import asyncio
import itertools
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx2

GIVE_UP = 60.0
"""Seconds after which an order that is not placed counts as lost."""
_AGAIN = {0, 409, 429, 503}


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request; status 0 if there was no answer."""

    key: str
    status: int
    seconds: float
    order_id: str = ""
    body: bytes = b""


@dataclass(slots=True)
class Clients:
    """The clients, and all that they were ever answered."""

    urls: Sequence[str]
    tokens: Sequence[str]
    answers: list[Answer] = field(default_factory=list)

    async def place(self, orders: int, *, per_second: float) -> None:
        """Begin that many orders at a steady rate, whatever becomes of them."""
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64)
        start = time.monotonic()
        async with httpx2.AsyncClient(timeout=20, limits=limits) as http, asyncio.TaskGroup() as go:
            for number in range(orders):
                await asyncio.sleep(max(0, start + number / per_second - time.monotonic()))
                for first in range(len(self.urls)):
                    go.create_task(self._until_placed(http, number, first))

    async def _until_placed(self, http: httpx2.AsyncClient, number: int, first: int) -> None:
        begun = time.monotonic()
        for turn in itertools.count(first):
            answer = await self._send(http, number, self.urls[turn % len(self.urls)])
            self.answers.append(answer)
            if answer.status not in _AGAIN or time.monotonic() > begun + GIVE_UP:
                return
            await asyncio.sleep(random.uniform(0.05, 0.5))

    async def _send(self, http: httpx2.AsyncClient, number: int, url: str) -> Answer:
        key = f"key-{number}"
        item = {"sku": key, "quantity": 1, "unit_price_minor": number}
        token = self.tokens[number % len(self.tokens)]
        headers = {"authorization": f"Bearer {token}", "idempotency-key": key}
        begun = time.monotonic()
        try:
            answer = await http.post(
                f"{url}/v1/orders", json={"currency": "EUR", "items": [item]}, headers=headers
            )
        except httpx2.HTTPError:
            return Answer(key, 0, time.monotonic() - begun)
        took = time.monotonic() - begun
        placed = answer.json()["id"] if answer.status_code == 201 else ""
        return Answer(key, answer.status_code, took, placed, answer.content)
