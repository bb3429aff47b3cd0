"""How orders are found: always among those of one customer."""

from collections.abc import Sequence
from uuid import UUID

from chassis_core.problem import NotFound
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from orders.models import Order


async def owned(session: AsyncSession, customer_id: str, order_id: UUID) -> Order:
    """Return an order of the customer.

    Raises:
        NotFound: there is none, or it is another customer's.
    """
    query = select(Order).where(Order.id == order_id, Order.customer_id == customer_id)
    found = await session.scalars(query.options(joinedload(Order.items)))
    if (order := found.unique().one_or_none()) is None:
        raise NotFound("there is no such order")
    return order


async def recent(
    session: AsyncSession, customer_id: str, *, limit: int, before: UUID | None
) -> Sequence[Order]:
    """Return the customer's newest orders, or the newest of those older than `before`."""
    query = select(Order).where(Order.customer_id == customer_id)
    if before is not None:
        query = query.where(Order.id < before)
    query = query.order_by(Order.id.desc()).limit(limit)
    return (await session.execute(query)).scalars().all()
