"""The refusals of the token endpoints, by the names that RFC 6749 §5.2 gives them."""

from chassis_core.problem import BadRequest, Problem, Unauthenticated


class Refusal(BadRequest):
    """The request for a token is refused: `error` and `error_description` say why.

    Args:
        error: the code of RFC 6749 §5.2, or of RFC 7009 §2.2.1.
        description: for the client's developer; ASCII without quotes, as the RFC asks.
    """

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description, error=error, error_description=description)
        self.error = error


class InvalidClient(Unauthenticated):
    """The client is unknown or has not proved who it is."""

    error = "invalid_client"

    def __init__(self) -> None:
        text = "the client is unknown or its secret is wrong"
        super().__init__(
            text,
            headers={"WWW-Authenticate": 'Basic realm="users", charset="UTF-8"'},
            error=self.error,
            error_description=text,
        )


def reason(problem: Problem) -> str:
    """Return the code of a refusal, for the audit log."""
    return str(problem.extensions.get("error", problem.status_code))


def invalid_grant() -> Refusal:
    """Return the one answer to every wrong password, user and refresh token."""
    return Refusal("invalid_grant", "the credentials are wrong, used up, expired or revoked")
