"""A TCP proxy on loopback that slows, holds or cuts what a test sends through it."""

import asyncio
from contextlib import suppress
from typing import Self

CHUNK = 16_384


class Proxy:
    """Stands between a client and a server: `async with Proxy(server.port) as proxy`.

    Args:
        target: port of the server on 127.0.0.1.

    Attributes:
        port: where it listens on 127.0.0.1.
        delay: seconds that everything sent to the server waits: the round trip's extra.
        rate: bytes a second in each direction, None for as many as there are.
        answer: bytes that every request is answered with in place of the server's.
        connections: how many there have been.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._passing = asyncio.Event()
        self._passing.set()
        self._refusing = False
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None
        self.port = 0
        self.delay = 0.0
        self.rate: float | None = None
        self.answer: bytes | None = None
        self.connections = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def hold(self) -> None:
        """Take everything and pass nothing on, as a network that drops packets."""
        self._passing.clear()

    def cut(self) -> None:
        """Reset every connection, and each new one."""
        self._refusing = True
        for writer in self._open.values():
            writer.transport.abort()

    def heal(self) -> None:
        """Pass everything on at once again."""
        self._refusing, self.delay, self.rate, self.answer = False, 0.0, None, None
        self._passing.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            if not self._refusing:
                with suppress(OSError, asyncio.CancelledError):
                    await self._join(reader, writer)
        finally:
            writer.close()
            del self._open[task]

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.answer is not None:
            await self._reply(reader, writer)
            return
        back, there = await asyncio.open_connection("127.0.0.1", self._target)
        both = (self._pump(reader, there, writer), self._pump(back, writer, None))
        tasks = [asyncio.create_task(each) for each in both]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            there.transport.abort()
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        answered: asyncio.StreamWriter | None,
    ) -> None:
        while chunk := await source.read(CHUNK):
            if answered and self.answer is not None:
                answered.write(self.answer)
                return
            pause = (self.delay if answered else 0) + (len(chunk) / self.rate if self.rate else 0)
            if pause:
                await asyncio.sleep(pause)
            await self._passing.wait()
            sink.write(chunk)
            await sink.drain()

    async def _reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while self.answer is not None and await reader.read(CHUNK):
            writer.write(self.answer)
            await writer.drain()
