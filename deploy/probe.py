"""The health check of the image: exits 0 if the service in this container answers 200.

`python probe.py [PATH]` asks its admin listener for PATH, `/livez` if there is none. It imports
next to nothing, since it runs every few seconds.
"""

import os
import socket
import sys
from pathlib import Path


def port() -> int:
    """Return the admin port: what the environment says, else what the service has by itself."""
    service = os.environ["CHASSIS_SERVICE"].upper().replace("-", "_")
    built = Path(__file__).with_name("admin-port")
    return int(os.environ.get(f"{service}_SERVER__ADMIN_PORT") or built.read_text("ascii"))


def answers(path: str) -> bool:
    """Return whether `path` is answered 200."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port()), timeout=2) as connection:
            connection.sendall(request.encode())
            return connection.recv(12) == b"HTTP/1.1 200"
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(not answers(*sys.argv[1:] or ["/livez"]))
