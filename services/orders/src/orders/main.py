"""The orders service."""

from chassis_core import App, create_app

from orders.api import router
from orders.settings import Settings


def app() -> App:
    """Return the app."""
    return create_app(Settings(), routers=[router])
