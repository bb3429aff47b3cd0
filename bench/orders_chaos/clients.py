"""Clients who send each order twice at once, and again until it is placed."""

import asyncio
import itertools
import json
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from chassis_core.concerns.load import Lag

from bench.client import Client

GIVE_UP = 60.0
"""Seconds after which an order that is not placed counts as lost."""
_AGAIN = {0, 409, 429, 503}
_RETRY_AFTER = re.compile(rb"\r\nretry-after: (\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request; status 0 if there was no answer."""

    key: str
    status: int
    seconds: float
    order_id: str = ""
    body: bytes = b""
    retry_after: int = 0


class Clients:
    """The clients, and all that they were ever answered.

    Args:
        ports: of the instances; one client of each order begins at each.
        tokens: of the customers, who place orders in turn.
    """

    def __init__(self, ports: Sequence[int], tokens: Sequence[str]) -> None:
        self.answers: list[Answer] = []
        self.lag = Lag()
        self._clients = [Client(port) for port in ports]
        self._tokens = tokens

    async def place(self, orders: int, *, per_second: float) -> None:
        """Begin that many orders at a steady rate, whatever becomes of them."""
        self.lag.start()
        start = time.monotonic()
        async with asyncio.TaskGroup() as go:
            for number in range(orders):
                await asyncio.sleep(max(0, start + number / per_second - time.monotonic()))
                for first in range(len(self._clients)):
                    go.create_task(self._until_placed(number, first))
        self.lag.stop()

    async def _until_placed(self, number: int, first: int) -> None:
        begun = time.monotonic()
        for turn in itertools.count(first):
            answer = await self._send(number, self._clients[turn % len(self._clients)])
            self.answers.append(answer)
            if answer.status not in _AGAIN or time.monotonic() > begun + GIVE_UP:
                return
            await asyncio.sleep(answer.retry_after + random.uniform(0.05, 0.5))

    async def _send(self, number: int, client: Client) -> Answer:
        key = f"key-{number}"
        item = {"sku": key, "quantity": 1, "unit_price_minor": number}
        order = json.dumps({"currency": "EUR", "items": [item]}).encode()
        token = self._tokens[number % len(self._tokens)]
        headers = f"Authorization: Bearer {token}\r\nIdempotency-Key: {key}\r\n".encode()
        answer = await client.post("/v1/orders", order, headers=headers)
        placed = json.loads(answer.body)["id"] if answer.status == 201 else ""
        hint = _RETRY_AFTER.search(answer.head)
        retry_after = int(hint[1]) if hint else 0
        return Answer(key, answer.status, answer.seconds, placed, answer.body, retry_after)
