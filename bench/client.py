"""A small HTTP/1.1 client for load, and requests at a rate that does not wait for answers."""

import asyncio
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; status 0 when nothing whole did, and `head` says why."""

    status: int
    seconds: float
    head: bytes = b""
    body: bytes = b""


class Client:
    """Asks one port of this machine, on kept connections or a new one for each request.

    Args:
        port: who is asked.
        keep: whether connections are kept.
    """

    def __init__(self, port: int, *, keep: bool = True) -> None:
        self.port = port
        self._keep = keep
        self._kept: deque[_Wire] = deque()

    async def get(self, path: str, *, headers: bytes = b"", since: float | None = None) -> Answer:
        """Ask, and never raise; `seconds` count from `since`, a time of `time.monotonic`."""
        return await self._ask(b"GET", path, headers, b"", since)

    async def post(self, path: str, body: bytes, *, headers: bytes = b"") -> Answer:
        """Send a JSON document, and never raise."""
        headers += b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
        return await self._ask(b"POST", path, headers, body, None)

    def close(self) -> None:
        """Close the kept connections."""
        while self._kept:
            self._kept.pop().transport.close()

    async def _ask(
        self, method: bytes, path: str, headers: bytes, body: bytes, since: float | None
    ) -> Answer:
        began = time.monotonic() if since is None else since
        target = b"%b %b HTTP/1.1\r\nHost: 127.0.0.1:%d" % (method, path.encode(), self.port)
        close = b"" if self._keep else b"Connection: close\r\n"
        try:
            async with asyncio.timeout(60):
                wire = await self._wire()
                head, answer = await wire.exchange(
                    b"%b\r\n%b%b\r\n%b" % (target, close, headers, body)
                )
        except (OSError, TimeoutError) as error:
            return Answer(0, time.monotonic() - began, repr(error).encode())
        if wire.reusable:
            self._kept.append(wire)
        return Answer(int(head[9:12]), time.monotonic() - began, head, answer)

    async def _wire(self) -> "_Wire":
        while self._kept:
            if (wire := self._kept.pop()).reusable:
                return wire
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(_Wire, "127.0.0.1", self.port)
        return wire


class _Wire(asyncio.Protocol):
    reusable = True
    _answer: "asyncio.Future[tuple[bytes, bytes]] | None" = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # TCP
        self.transport = transport
        self._read = b""

    async def exchange(self, request: bytes) -> tuple[bytes, bytes]:
        self._read = b""
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, found, body = self._read.partition(b"\r\n\r\n")
        if not found or self._answer is None or self._answer.done():
            return
        length = _LENGTH.search(head)
        if len(body) >= int(length[1]) if length else body.endswith(b"0\r\n\r\n"):
            if b"connection: close" in head.lower():
                self.reusable = False
                self.transport.close()
            self._answer.set_result((head, body))

    def connection_lost(self, _: Exception | None) -> None:
        self.reusable = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError(f"cut after {len(self._read)} bytes"))


async def at_rate(
    rate: float, seconds: float, visit: Callable[[float], Awaitable[Result]]
) -> Sequence[Result]:
    """Call `visit` at this rate whatever becomes of the calls; it is told when it was due."""
    began = time.monotonic()
    tasks: list[asyncio.Task[Result]] = []
    for number in range(int(rate * seconds)):
        due = began + number / rate
        if (left := due - time.monotonic()) > 0:
            await asyncio.sleep(left)
        tasks.append(asyncio.ensure_future(visit(due)))
    return await asyncio.gather(*tasks)


async def in_turn(
    clients: int, seconds: float, visit: Callable[[], Awaitable[Result]]
) -> list[Result]:
    """Let so many clients ask, each again as soon as it is answered."""
    end = time.monotonic() + seconds
    seen: list[Result] = []

    async def ask() -> None:
        while time.monotonic() < end:
            seen.append(await visit())

    await asyncio.gather(*(ask() for _ in range(clients)))
    return seen


def percentile(seconds: Sequence[float], share: float) -> float:
    """Return the milliseconds that this share of the values does not pass."""
    ranked = sorted(seconds)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))] * 1000 if ranked else 0.0


def p99(answers: Sequence[Answer]) -> float:
    """Return the milliseconds that 99 of 100 answers do not pass."""
    return percentile([answer.seconds for answer in answers], 0.99)
