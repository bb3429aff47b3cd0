"""Users: how one becomes one, and proves to be one."""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from uuid import UUID

from chassis_core import get_logger
from chassis_core.concerns.database import Database, unique_violation
from chassis_core.problem import Conflict
from sqlalchemy import event, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from users.models import User
from users.passwords import Passwords
from users.schemas import EMAIL, LONGEST_EMAIL, Registration

log = get_logger(__name__)

_EMAIL = re.compile(EMAIL)
_ROLE = re.compile("[a-z][a-z0-9_-]{0,31}")


class WrongCredentials(Exception):
    """No user has this email and password; `user_id` is whose email it is, None for nobody's."""

    def __init__(self, user_id: UUID | None) -> None:
        super().__init__()
        self.user_id = user_id


async def register(session: AsyncSession, passwords: Passwords, wanted: Registration) -> User:
    """Add a user.

    Raises:
        Conflict: someone has registered this email.
    """
    # Hashed before the session is touched, so that no connection waits for it.
    password_hash = await passwords.hash(wanted.password.get_secret_value())
    user = User(email=wanted.email, name=wanted.name, password_hash=password_hash)
    session.add(user)
    try:
        await session.flush()
    except IntegrityError as error:
        if unique_violation(error) is None:
            raise
        raise Conflict("this email is registered already") from None
    line = partial(log.info, "user_registered", user_id=str(user.id))
    event.listen(session.sync_session, "after_commit", lambda _: line(), once=True)
    return user


async def authenticate(
    database: Database, passwords: Passwords, *, email: str, password: str
) -> User:
    """Return the user with this email and password.

    Raises:
        WrongCredentials: there is none; that takes the same time.
    """
    user = await _find(database, email)
    matches, renewed = await passwords.verify(password, user.password_hash if user else None)
    if user is None or not matches:
        raise WrongCredentials(user.id if user else None)
    if renewed:
        async with database.session() as session:
            owner = update(User).where(User.id == user.id)
            await session.execute(owner.values(password_hash=renewed))
        log.info("password_rehashed", user_id=str(user.id))
    return user


async def change_roles(
    database: Database, email: str, *, granted: AbstractSet[str], revoked: AbstractSet[str]
) -> Sequence[str] | None:
    """Give roles to the user with this email and take others; return those they hold, or None.

    Raises:
        ValueError: a role that is granted is not named like one.
    """
    if not all(_ROLE.fullmatch(role) for role in granted):
        raise ValueError("a role is up to 32 of a-z, 0-9, - and _, and begins with a letter")
    async with database.session() as session:
        owner = select(User).where(User.email == email.lower()).with_for_update()
        if (user := await session.scalar(owner)) is None:
            return None
        before, user.roles = user.roles, sorted({*user.roles, *granted} - revoked)
        held, user_id = user.roles, str(user.id)
    if held != before:
        log.info("roles_changed", user_id=user_id, roles=held)
    return held


async def _find(database: Database, email: str) -> User | None:
    if len(email) > LONGEST_EMAIL or not _EMAIL.fullmatch(email):
        return None
    async with database.session(read_only=True) as session:
        return await session.scalar(select(User).where(User.email == email.lower()))
