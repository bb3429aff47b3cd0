"""The refusals of the token endpoints, by the names that RFC 6749 §5.2 gives them."""

from collections.abc import Mapping

from chassis_core.problem import BadRequest, Unauthenticated


class Refusal(BadRequest):
    """The request for a token is refused: `error` and `error_description` say why.

    Args:
        error: the code of RFC 6749 §5.2, or of RFC 7009 §2.2.1.
        description: for the client's developer; ASCII without quotes, as the RFC asks.
        ids: whose tokens they would be, for the audit line alone.
    """

    def __init__(self, error: str, description: str, **ids: str) -> None:
        super().__init__(description, error=error, error_description=description)
        self.error = error
        self.ids = ids


class InvalidClient(Unauthenticated):
    """The client is unknown or has not proved who it is."""

    error = "invalid_client"
    ids: Mapping[str, str] = {}

    def __init__(self) -> None:
        text = "the client is unknown or its secret is wrong"
        super().__init__(
            text,
            headers={"WWW-Authenticate": 'Basic realm="users", charset="UTF-8"'},
            error=self.error,
            error_description=text,
        )


def invalid_grant(**ids: str) -> Refusal:
    """Return the one answer to every wrong password, user and refresh token."""
    return Refusal("invalid_grant", "the credentials are wrong, used up, expired or revoked", **ids)
