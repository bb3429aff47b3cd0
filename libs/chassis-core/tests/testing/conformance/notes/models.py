from uuid import UUID

from chassis_core import idempotency_keys
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str]
    text: Mapped[str]


metadata: MetaData = Base.metadata
idempotency_keys(metadata)
