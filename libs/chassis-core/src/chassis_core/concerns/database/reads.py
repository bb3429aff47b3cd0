"""Reads that outlive the loss of a connection."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session


class Reads(Session):
    """A session whose first statement is sent again, once, if its connection was lost under it.

    Only a SELECT, and only the first: nothing has been seen yet that the second answer could
    contradict. A server that hangs is not asked twice.
    """

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Execute a statement."""
        return self._again_if_lost(super().execute, args, kwargs)

    def scalar(self, *args: Any, **kwargs: Any) -> Any:
        """Execute a statement and return one value."""
        return self._again_if_lost(super().scalar, args, kwargs)

    def scalars(self, *args: Any, **kwargs: Any) -> Any:
        """Execute a statement and return one value of each row."""
        return self._again_if_lost(super().scalars, args, kwargs)

    def _again_if_lost(self, run: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        first = not self.in_transaction()
        try:
            return run(*args, **kwargs)
        except DBAPIError as error:
            hung = isinstance(error.orig, TimeoutError)
            if hung or not (first and error.connection_invalidated and args[0].is_select):
                raise
            self.rollback()
            return run(*args, **kwargs)
