"""What a client has not yet taken of what was written to it."""

import asyncio
import fcntl
import socket
import struct
import termios
from contextlib import suppress


def unsent(transport: asyncio.Transport) -> int:
    """Return the bytes that wait here and in the system's buffers.

    The system's buffers hold megabytes and take more only in lumps: without them, a client that
    reads slowly and steadily would seem to read nothing for long.
    """
    return transport.get_write_buffer_size() + _in_system(transport)


def cut(transport: asyncio.Transport) -> None:
    """Close at once, and let the system forget what the client would not take."""
    with suppress(OSError):
        at_once = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    transport.abort()


def _in_system(transport: asyncio.Transport) -> int:
    with suppress(OSError):
        answer = fcntl.ioctl(transport.get_extra_info("socket"), termios.TIOCOUTQ, bytes(4))
        return int(struct.unpack("i", answer)[0])
    return 0
