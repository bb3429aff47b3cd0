"""Serves one of the apps: `python -m bench.server chassis 8000`.

The chassis runs as `chassis serve` runs it, on its own server; what is bare runs on uvicorn's.
"""

import sys

import uvicorn
from chassis_core.compose import App
from chassis_core.server import serve
from chassis_core.settings import ServerSettings

from bench import apps

if __name__ == "__main__":
    name, port = sys.argv[1], int(sys.argv[2])
    app = getattr(apps, name)()
    if isinstance(app, App):
        server = ServerSettings(port=port, admin_port=0, shutdown_timeout=5)
        raise SystemExit(serve(app, app.settings.model_copy(update={"server": server})))
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        access_log=False,
        log_level="warning",
        server_header=False,
    )
