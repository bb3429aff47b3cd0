"""Whose token a call carries."""

from typing import Protocol

from chassis_core import context


class Credentials(Protocol):
    """Gives the `Authorization` of a call."""

    async def header(self, within: float) -> str | None:
        """Return the header's value, in these seconds at most."""

    def refused(self, header: str | None) -> bool:
        """Say that the other service answered 401; True if another try would carry a new token."""

    async def aclose(self) -> None:
        """Give up what is under way."""


class NoToken:
    """Nobody's token."""

    async def header(self, within: float) -> str | None:  # noqa: ARG002 - the protocol's
        """Return None."""
        return None

    def refused(self, header: str | None) -> bool:  # noqa: ARG002 - the protocol's
        """Return False: there is nothing to renew."""
        return False

    async def aclose(self) -> None:
        """Do nothing."""


class CallersToken(NoToken):
    """The token of the request in flight, as its verified caller sent it."""

    async def header(self, within: float) -> str | None:  # noqa: ARG002 - the protocol's
        """Return the caller's header."""
        current = context.current()
        return current.authorization if current else None
