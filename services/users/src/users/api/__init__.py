"""The routes of users."""

from users.api.discovery import router as discovery
from users.api.oauth import router as oauth
from users.api.users import router as users

routers = (users, oauth, discovery)
"""Every router of the service, in the order of the documentation."""

__all__ = ["routers"]
