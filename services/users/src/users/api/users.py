"""Registration and profiles."""

from uuid import UUID

from chassis_core import PUBLIC, RateLimit
from chassis_core.concerns.auth import CurrentUser, require_scopes
from chassis_core.concerns.database import Session
from chassis_core.problem import NotFound, responses
from fastapi import APIRouter, Depends, Response

from users.accounts import register
from users.identity import CurrentIdentity
from users.models import User
from users.schemas import Profile, Registration

router = APIRouter(prefix="/v1/users", tags=["users"])

registrations = RateLimit("10/minute", by="address", name="registrations")


@router.post(
    "",
    status_code=201,
    dependencies=[Depends(registrations)],
    responses=responses(409, 422),
    openapi_extra=PUBLIC,
)
async def register_user(
    wanted: Registration, session: Session, identity: CurrentIdentity, response: Response
) -> Profile:
    """Register a user."""
    user = await register(session, identity.passwords, wanted)
    response.headers["Location"] = f"/v1/users/{user.id}"
    return Profile.of(user)


@router.get("/me", responses=responses(401, 404))
async def read_me(caller: CurrentUser, session: Session) -> Profile:
    """Return the profile of the user whose token this is."""
    return await _profile(session, _user_id(caller.subject))


@router.get(
    "/{id}",
    dependencies=[Depends(require_scopes("users:read"))],
    responses=responses(401, 403, 404, 422),
)
async def read_user(id: UUID, session: Session) -> Profile:  # noqa: A002 - the path's own name
    """Return a user's profile; without the scope, 403 whether or not there is such a user."""
    return await _profile(session, id)


async def _profile(session: Session, user_id: UUID | None) -> Profile:
    user = await session.get(User, user_id) if user_id else None
    if user is None:
        raise NotFound("there is no such user")
    return Profile.of(user)


def _user_id(subject: str) -> UUID | None:
    try:
        return UUID(subject)
    except ValueError:
        return None  # a service's own token: its subject is the client
