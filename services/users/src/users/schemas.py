"""What the API takes and gives."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from users.models import User
from users.passwords import LONGEST, SHORTEST

_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
EMAIL = rf"^[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})+$"
"""The valid address of the HTML standard, in a domain that has a dot."""
LONGEST_EMAIL = 254
"""Characters in an address (RFC 5321 §4.5.3.1.3, without the angle brackets)."""
GRANT_TYPES = ("password", "refresh_token", "client_credentials")

Email = Annotated[str, StringConstraints(pattern=EMAIL, max_length=LONGEST_EMAIL, to_lower=True)]
Name = Annotated[
    str,
    StringConstraints(
        pattern=r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        max_length=100,
    ),
]


class Registration(BaseModel):
    """A person who wants to be a user."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    email: Email
    """Where they get mail; upper and lower case are one."""
    password: SecretStr = Field(
        min_length=SHORTEST, max_length=LONGEST, json_schema_extra={"pattern": r"^[^\x00]*$"}
    )
    """A passphrase: length is the only rule."""
    name: Name
    """What they want to be called."""


class Profile(BaseModel):
    """A user, as others see one."""

    id: UUID
    email: str
    name: str
    created_at: datetime

    @classmethod
    def of(cls, user: User) -> Self:
        """Return the profile of `user`."""
        return cls(id=user.id, email=user.email, name=user.name, created_at=user.created_at)


class ClientForm(BaseModel):
    """How a client names itself, if not by HTTP Basic."""

    client_id: str | None = None
    """The client, unless it is named by HTTP Basic."""
    client_secret: SecretStr | None = None
    """A service's secret, unless it is sent by HTTP Basic."""

    # Other parameters are ignored (RFC 6749 §3.2), but none may be given twice.
    model_config = ConfigDict(
        frozen=True,
        use_attribute_docstrings=True,
        json_schema_extra={"additionalProperties": {"type": "string"}},
    )


class TokenForm(ClientForm):
    """A request for tokens (RFC 6749 §4.3.2, §4.4.2, §6)."""

    grant_type: str | None = Field(None, json_schema_extra={"enum": list(GRANT_TYPES)})
    """Which of the three kinds of request this is."""
    username: str | None = None
    """The email of the user who logs in."""
    password: SecretStr | None = None
    """The password of the user who logs in."""
    refresh_token: SecretStr | None = None
    """The refresh token to use up."""
    scope: str | None = None
    """The scopes wanted, with spaces between; all that may be had when left out."""


class TokenAnswer(BaseModel):
    """Tokens (RFC 6749 §5.1)."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme
    expires_in: int
    scope: str
    refresh_token: str | None = None


class RevocationForm(ClientForm):
    """A token that is not wanted any more (RFC 7009 §2.1)."""

    token: SecretStr | None = None
    """The refresh token to revoke, with all that descend from the same login."""
    token_type_hint: str | None = None
    """Taken, and not needed."""
