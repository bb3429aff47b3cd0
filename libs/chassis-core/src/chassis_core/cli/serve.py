"""`chassis serve`: run one service."""

from chassis_core.cli.services import AdminPort, Host, Port, ServiceName, create, listening
from chassis_core.server import serve as serve_app


def serve(
    service: ServiceName,
    *,
    host: Host = None,
    port: Port = None,
    admin_port: AdminPort = None,
) -> None:
    """Serve a service until SIGTERM or Ctrl-C. Port 0 lets the system choose."""
    app = create(service)
    settings = listening(app.settings, host=host, port=port, admin_port=admin_port)
    raise SystemExit(serve_app(app, settings))
