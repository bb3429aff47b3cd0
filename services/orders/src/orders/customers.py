"""Who a customer is, asked of users on the customer's behalf."""

from typing import Annotated

from chassis_core import Cache, CurrentUser, Principal
from chassis_core.concerns.clients import ServiceClient, client
from chassis_core.problem import BadGateway, Forbidden
from fastapi import Depends, Request
from pydantic import BaseModel, Field, ValidationError


class Profile(BaseModel):
    """What orders needs of a user's profile."""

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class Customer:
    """The caller as a customer.

    Args:
        principal: the caller.
        users: the client of users; it sends the caller's own token.
        cache: keeps what users answered.
        ttl: seconds it is kept; 0 to ask each time.
    """

    def __init__(
        self, principal: Principal, users: ServiceClient, cache: Cache, *, ttl: float
    ) -> None:
        self._principal = principal
        self._users = users
        self._cache = cache
        self._ttl = ttl

    async def profile(self) -> Profile:
        """Return the caller's profile.

        Raises:
            Forbidden: users knows no such person.
            BadGateway: users gives no answer that can be used.
            Unavailable: users cannot be reached, or is known to fail.
            GatewayTimeout: users gave no answer in time.
        """
        if not self._ttl:
            return await self._ask()
        # No refusal is kept, and nothing old is given out: see decision 0004.
        key = f"{self._principal.issuer}|{self._principal.subject}"
        found: Profile = await self._cache.get_or_set(
            key, self._ttl, Profile, self._ask, namespace="profiles", stale=0
        )
        return found

    async def _ask(self) -> Profile:
        answer = await self._users.get("/v1/users/me")
        if answer.status_code in {403, 404}:
            raise Forbidden("only a registered user can place an order")
        if answer.status_code != 200:
            raise BadGateway("the users service refused to say who the customer is")
        try:
            return Profile.model_validate_json(answer.content)
        except ValidationError:
            raise BadGateway("the users service gave an answer that cannot be used") from None


async def get_customer(
    request: Request,
    principal: CurrentUser,
    users: Annotated[ServiceClient, Depends(client("users"))],
    cache: Cache,
) -> Customer:
    """Return the caller as a customer."""
    return Customer(principal, users, cache, ttl=request.app.settings.profile_ttl)


CurrentCustomer = Annotated[Customer, Depends(get_customer)]
"""The caller as a customer, as a route's parameter."""
