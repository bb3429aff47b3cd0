"""The tables of orders."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from chassis_core import idempotency_keys, outbox_events
from chassis_core.concerns.database import metadata_naming
from chassis_core.ids import uuid7
from chassis_core.moments import Moment, now
from chassis_core.problem import Conflict
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """The tables of this service."""

    metadata = MetaData(naming_convention=metadata_naming)
    type_annotation_map = {datetime: Moment}  # noqa: RUF012 - SQLAlchemy's own declaration


class Status(StrEnum):
    """The life of an order."""

    PLACED = "placed"
    CANCELLED = "cancelled"


class Order(Base):
    """What a customer has ordered. Ids grow with time, so they are also the order of a list."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_customer_id_id", "customer_id", "id"),
        CheckConstraint("status IN ('placed', 'cancelled')", name="status"),
        CheckConstraint("total_minor >= 0", name="total_minor"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    customer_id: Mapped[str] = mapped_column(String(255))
    customer_name: Mapped[str] = mapped_column(String(200))
    currency: Mapped[str] = mapped_column(String(3))
    total_minor: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(10), default=Status.PLACED)
    placed_at: Mapped[datetime] = mapped_column(default=now)
    cancelled_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column()
    items: Mapped[list["Item"]] = relationship(
        order_by="Item.position", lazy="selectin", cascade="all, delete-orphan"
    )

    # Two that change one version: the second finds no row, and is answered 412.
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's own declaration

    @classmethod
    def of(cls, items: Sequence["Item"], **fields: str) -> Self:
        """Return a new order of `items`, in their order, with its total."""
        total = sum(item.quantity * item.unit_price_minor for item in items)
        for position, item in enumerate(items):
            item.position = position
        return cls(items=list(items), total_minor=total, **fields)

    def cancel(self) -> None:
        """Cancel the order.

        Raises:
            Conflict: it is cancelled already.
        """
        if self.status == Status.CANCELLED:
            raise Conflict("the order is cancelled already")
        self.status = Status.CANCELLED
        self.cancelled_at = now()


class Item(Base):
    """One line of an order."""

    __tablename__ = "order_items"

    order_id: Mapped[UUID] = mapped_column(
        ForeignKey(Order.id, ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(String(64))
    quantity: Mapped[int]
    unit_price_minor: Mapped[int] = mapped_column(BigInteger)


idempotency_keys(Base.metadata)
outbox_events(Base.metadata)
