"""What orders tells other services, on the stream `orders:events`. No event names a person."""

from chassis_core import Events
from sqlalchemy.ext.asyncio import AsyncSession

from orders.models import Order


async def tell_placed(events: Events, session: AsyncSession, order: Order) -> None:
    """Tell that an order was placed: whose, for how much, and of what."""
    items = [
        {"sku": item.sku, "quantity": item.quantity, "unit_price_minor": item.unit_price_minor}
        for item in order.items
    ]
    data = {**_common(order), "items": items, "placed_at": order.placed_at}
    await events.add(session, "order.placed", subject=str(order.id), data=data)


async def tell_cancelled(events: Events, session: AsyncSession, order: Order) -> None:
    """Tell that an order was cancelled."""
    data = {**_common(order), "cancelled_at": order.cancelled_at}
    await events.add(session, "order.cancelled", subject=str(order.id), data=data)


def _common(order: Order) -> dict[str, str | int]:
    return {
        "customer_id": order.customer_id,
        "currency": order.currency,
        "total_minor": order.total_minor,
        "version": order.version,
    }
