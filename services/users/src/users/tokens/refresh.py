"""Refresh tokens: opaque, good once, and revoked as a family when one is used twice."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from chassis_core import get_logger
from chassis_core.concerns.database import Database
from chassis_core.moments import now
from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from users.models import RefreshFamily, RefreshToken, User
from users.settings import TokenSettings
from users.tokens.clients import narrow
from users.tokens.refusals import invalid_grant

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Continued:
    """A login that goes on: whose it is, with which scopes, and its next refresh token."""

    user: User
    scopes: Sequence[str]
    token: str


class RefreshTokens:
    """Starts, continues and ends families of refresh tokens (RFC 9700 §4.14.2)."""

    def __init__(self, settings: TokenSettings, database: Database) -> None:
        self._lifetime = timedelta(seconds=settings.refresh_lifetime)
        self._database = database

    async def start(self, user: User, *, client_id: str, scope: str) -> str:
        """Return the first token of a new family, and forget the user's expired ones."""
        family = RefreshFamily(
            user_id=user.id, client_id=client_id, scope=scope, expires_at=now() + self._lifetime
        )
        async with self._database.session() as session:
            outdated = (RefreshFamily.user_id == user.id) & (RefreshFamily.expires_at < now())
            await session.execute(delete(RefreshFamily).where(outdated))
            session.add(family)
            await session.flush()
            return _add_token(session, family)

    async def rotate(self, token: str, *, client_id: str, wanted: str | None = None) -> Continued:
        """Use `token` up, and let its login continue with the scopes `wanted`.

        Of two concurrent uses one wins; the other is a reuse, and ends the family.

        Raises:
            Refusal: the token is unknown, used, expired, revoked or another client's, or the login
                was for fewer scopes than are wanted.
        """
        digest = _digest(token)
        unused = (RefreshToken.digest == digest) & RefreshToken.used_at.is_(None)
        async with self._database.session() as session:
            # The write comes first: it is the lock that lets one of two uses win.
            spend = update(RefreshToken).where(unused).values(used_at=now())
            spent = await session.scalar(spend.returning(RefreshToken.family_id))
            family = await _family(session, digest)
            if family is not None and spent is not None:
                _require_usable(family, client_id)
                scopes = narrow(wanted, family.scope.split())
                return Continued(family.user, scopes, _add_token(session, family))
            if family is None:
                raise invalid_grant()
            ended = await _end(session, RefreshFamily.id == family.id)
        ids = _ids(family)
        if ended is not None:
            log.warning("refresh_reuse_detected", client_id=client_id, **ids)
        raise invalid_grant(**ids)

    async def revoke(self, token: str, *, client_id: str) -> None:
        """End the family of `token`, if it is one of this client's."""
        of_token = select(RefreshToken.family_id).where(RefreshToken.digest == _digest(token))
        of_client = RefreshFamily.id.in_(of_token) & (RefreshFamily.client_id == client_id)
        async with self._database.session() as session:
            ended = await _end(session, of_client)
        if ended is not None:
            log.info("token_revoked", client_id=client_id, **_ids(ended))


def _require_usable(family: RefreshFamily, client_id: str) -> None:
    if family.client_id != client_id or family.revoked_at or family.expires_at <= now():
        raise invalid_grant(**_ids(family))


async def _end(session: AsyncSession, which: ColumnElement[bool]) -> RefreshFamily | None:
    """Revoke a family, and return it if it was live: of many who end it, one is told so."""
    live = which & RefreshFamily.revoked_at.is_(None)
    end = update(RefreshFamily).where(live).values(revoked_at=now())
    return await session.scalar(end.returning(RefreshFamily))


def _ids(family: RefreshFamily) -> dict[str, str]:
    return {"user_id": str(family.user_id), "family_id": str(family.id)}


async def _family(session: AsyncSession, digest: bytes) -> RefreshFamily | None:
    of_token = select(RefreshFamily).join(RefreshToken).where(RefreshToken.digest == digest)
    return await session.scalar(of_token)


def _add_token(session: AsyncSession, family: RefreshFamily) -> str:
    token = secrets.token_urlsafe(32)
    session.add(RefreshToken(digest=_digest(token), family_id=family.id))
    return token


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()
