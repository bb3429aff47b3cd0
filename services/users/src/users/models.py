"""The tables of users."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis_core.concerns.database import metadata_naming
from chassis_core.ids import uuid7
from chassis_core.moments import Moment, now
from sqlalchemy import (
    JSON,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """The tables of this service."""

    metadata = MetaData(naming_convention=metadata_naming)
    type_annotation_map = {datetime: Moment, dict[str, Any]: JSON, list[str]: JSON}  # noqa: RUF012 - SQLAlchemy's own declaration


class User(Base):
    """A person who can log in."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    password_hash: Mapped[str] = mapped_column(String(255))
    roles: Mapped[list[str]] = mapped_column(default=lambda: ["user"])
    created_at: Mapped[datetime] = mapped_column(default=now)


class RefreshFamily(Base):
    """One login: every refresh token that descends from it, revoked as one."""

    __tablename__ = "refresh_families"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    client_id: Mapped[str] = mapped_column(String(100))
    scope: Mapped[str] = mapped_column(String(1000))
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


class RefreshToken(Base):
    """One refresh token, known by its SHA-256 alone; good once."""

    __tablename__ = "refresh_tokens"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    family_id: Mapped[UUID] = mapped_column(
        ForeignKey(RefreshFamily.id, ondelete="CASCADE"), index=True
    )
    issued_at: Mapped[datetime] = mapped_column(default=now)
    used_at: Mapped[datetime | None]


class KeyState(StrEnum):
    """The life of a signing key: published, then signing, then good for old tokens only."""

    NEXT = "next"
    ACTIVE = "active"
    RETIRED = "retired"


_ONE_OF_EACH = text("state <> 'retired'")


class SigningKey(Base):
    """A key pair: the public half as a JWK, the private half sealed.

    The database itself holds it to one active and one next key, whoever writes at once.
    """

    __tablename__ = "signing_keys"
    __table_args__ = (
        Index(
            "uq_signing_keys_state",
            "state",
            unique=True,
            sqlite_where=_ONE_OF_EACH,
            postgresql_where=_ONE_OF_EACH,
        ),
    )

    kid: Mapped[str] = mapped_column(String(43), primary_key=True)
    state: Mapped[str] = mapped_column(String(10))
    jwk: Mapped[dict[str, Any]]
    sealed: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(default=now)
    activated_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]
