"""`chassis serve`: run one service."""

from typing import Annotated, Any

import typer

from chassis_core.cli.services import Host, ServiceName, create
from chassis_core.server import serve as serve_app
from chassis_core.settings import ServerSettings


def serve(
    service: ServiceName,
    *,
    host: Host = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of the public listener.")
    ] = None,
    admin_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of the admin listener.")
    ] = None,
) -> None:
    """Serve a service until SIGTERM or Ctrl-C. Port 0 lets the system choose."""
    app = create(service)
    asked: dict[str, Any] = {"host": host, "port": port, "admin_port": admin_port}
    chosen = {name: value for name, value in asked.items() if value is not None}
    server = ServerSettings(**app.settings.server.model_dump() | chosen)
    raise SystemExit(serve_app(app, app.settings.model_copy(update={"server": server})))
