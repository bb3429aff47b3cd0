"""Who a customer is, asked of users on the customer's behalf."""

from typing import Annotated

from chassis_core import ServiceClient, client
from chassis_core.problem import BadGateway, Forbidden
from fastapi import Depends
from pydantic import BaseModel, Field, ValidationError

Users = Annotated[ServiceClient, Depends(client("users"))]
"""The client of users; it sends the caller's own token."""


class Profile(BaseModel):
    """What orders needs of a user's profile."""

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


async def profile(users: ServiceClient) -> Profile:
    """Return the caller's profile.

    Raises:
        Forbidden: users knows no such person.
        BadGateway: users gives no answer that can be used.
        Unavailable: users cannot be reached, or is known to fail.
        GatewayTimeout: users gave no answer in time.
    """
    answer = await users.get("/v1/users/me")
    if answer.status_code in {403, 404}:
        raise Forbidden("only a registered user can place an order")
    if answer.status_code != 200:
        raise BadGateway("the users service refused to say who the customer is")
    try:
        return Profile.model_validate_json(answer.content)
    except ValidationError:
        raise BadGateway("the users service gave an answer that cannot be used") from None
