"""Whether anything listens at an address, and how it fails to."""

import asyncio
import socket
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


async def unreachable(host: str, port: int, within: float) -> str | None:
    """Return in a few words why no connection can be opened in so many seconds, None if one can."""
    place = f"{host}:{port}"
    try:
        async with asyncio.timeout(within):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return f"nothing answers at {place} within {within:g} s: packets are dropped on the way"
    except socket.gaierror:
        return f"the name {host} is unknown"
    except ConnectionRefusedError:
        return f"{place} refuses connections: nothing listens there"
    except OSError as error:
        return f"{place} cannot be reached: {error.strerror}"
    writer.close()
    return None


async def silence(host: str, port: int, within: float) -> str:
    """Return in a few words why there was no answer from an address: it is away, or it hangs."""
    hung = f"{host}:{port} takes connections and gives no answer within {within:g} s: it hangs"
    return await unreachable(host, port, within) or hung


def address(url: str) -> tuple[str, int]:
    """Return the host and the port of a URL; one without a scheme is read as http."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 80)
