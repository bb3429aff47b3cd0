"""Serves one of the apps: `python -m bench.server chassis 8000`."""

import sys

import uvicorn

from bench import apps

if __name__ == "__main__":
    name, port = sys.argv[1:]
    uvicorn.run(
        getattr(apps, name),
        factory=True,
        host="127.0.0.1",
        port=int(port),
        access_log=False,
        log_level="warning",
        server_header=False,
    )
