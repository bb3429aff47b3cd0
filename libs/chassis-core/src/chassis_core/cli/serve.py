"""`chassis serve`: run one service."""

from typing import Annotated

import typer

from chassis_core.cli.services import Host, ServiceName, create, listening
from chassis_core.server import serve as serve_app


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
    settings = listening(app.settings, host=host, port=port, admin_port=admin_port)
    raise SystemExit(serve_app(app, settings))
