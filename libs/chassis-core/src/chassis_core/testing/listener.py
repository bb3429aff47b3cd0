"""A real listener for an app in this process, for what only bytes on a socket can show."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from chassis_core.compose import App
from chassis_core.server import Listener, bind
from chassis_core.settings import ServerSettings


@dataclass(frozen=True, slots=True)
class Raw:
    """A listener to talk to in bytes.

    Attributes:
        port: where it listens on 127.0.0.1.
        listener: the server behind it.
    """

    port: int
    listener: Listener

    async def exchange(self, *parts: bytes, until: float = 5.0, pause: float = 0.02) -> bytes:
        """Send `parts` a moment apart on one connection; return all bytes until it closes.

        Args:
            parts: what to send, as it is.
            until: seconds after which an open connection is closed from here.
            pause: seconds between two parts.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        answer = b""
        try:
            async with asyncio.timeout(until):
                for part in parts:
                    writer.write(part)
                    await asyncio.sleep(pause)
                while chunk := await reader.read(65_536):
                    answer += chunk
        except (TimeoutError, ConnectionError):
            pass
        finally:
            writer.close()
        return answer


@asynccontextmanager
async def listening(app: App, settings: ServerSettings | None = None) -> AsyncIterator[Raw]:
    """Serve `app` on a free port of this process, with its lifespan, and yield a raw client."""
    settings = settings or ServerSettings(port=0)
    sock = bind(settings, "port")
    listener = Listener(app, settings)
    async with app.router.lifespan_context(app) as state:
        listener.lifespan.state.update(state or {})
        async with listener.open(sock):
            yield Raw(sock.getsockname()[1], listener)
